"""A local vision-language model as the judge (ICEdit, arXiv:2504.20690, §3.3), read from its logits."""

from collections.abc import Sequence, Set
from typing import Any

from PIL import Image

from ..errors import InputError
from .answers import json_in
from .base import Verdict
from .pretrained import PretrainedJudge
from .prompt import DIGIT, question

LONGEST = 512  # tokens of an answer that is read as text


class VLMJudge(PretrainedJudge):
    """Asks the question of Fig. 13 and compares the logits of "1" and "2" where the answer would begin.

    No text is generated, so that the verdict is deterministic and costs one forward call. Undecided where the model
    would rather begin with another token.

    ``model`` is the folder or hub id of an image-text-to-text model of transformers with a chat template that takes
    several images: Qwen2.5-VL or newer. The paper used 72B and warns of 7B (§C).
    """

    kind = "AutoModelForImageTextToText"

    @staticmethod
    def arguments(rest: str) -> tuple[str]:
        """From what follows ``vlm:`` in a judge's name: a folder or a hub id. Raises :class:`InputError` for none."""
        if not rest:
            raise InputError("the VLM judge needs a model, as in vlm:Qwen/Qwen2.5-VL-7B-Instruct.")
        return (rest,)

    def __call__(self, instruction: str, original: Image.Image, first: Image.Image, second: Image.Image) -> Verdict:
        chances = self.first_token(question(instruction, DIGIT), (first, second, original))  # [vocabulary]
        tokenizer = self._loaded[0].tokenizer
        ones, twos = (answer_tokens(tokenizer, digit) for digit in "12")
        if (top := int(chances.argmax())) not in ones | twos:
            return Verdict(None, f"the model would begin its answer with {tokenizer.decode([top])!r}, not with 1 or 2")
        one, two = (max(float(chances[token]) for token in tokens) for tokens in (ones, twos))
        return Verdict.higher(one, two, f"p(1) = {one:.3f}, p(2) = {two:.3f}")

    def first_token(self, text: str, images: Sequence[Image.Image]):
        """Probabilities ``[vocabulary]`` of the first token of the answer to ``images`` and ``text``."""
        import torch

        with torch.inference_mode():
            logits = self._loaded[1](**self._inputs(text, images), logits_to_keep=1).logits[0, -1]
        return logits.float().softmax(-1)

    def answer(self, text: str, images: Sequence[Image.Image], schema: dict[str, Any]) -> Any:
        """The JSON that the model writes after ``images`` and ``text``, taking the likeliest token each time.

        Nothing holds it to the ``schema`` but the text. Raises :class:`InputError` for an answer without JSON.
        """
        import torch

        processor, network = self._loaded
        inputs = self._inputs(text, images)
        with torch.inference_mode():
            tokens = network.generate(**inputs, do_sample=False, max_new_tokens=LONGEST)[0]
        said = processor.tokenizer.decode(tokens[inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return json_in(said)

    def _inputs(self, text: str, images: Sequence[Image.Image]) -> Any:
        processor, network = self._loaded
        content = [*({"type": "image", "image": image} for image in images), {"type": "text", "text": text}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
        )  # fmt: skip
        return inputs.to(network.device, network.dtype)


def answer_tokens(tokenizer: Any, answer: str) -> Set[int]:
    """The tokens that alone are ``answer``, with or without a space before it.

    Raises :class:`InputError` if there are none.
    """
    written = (tokenizer.encode(text, add_special_tokens=False) for text in (answer, f" {answer}"))
    tokens = {ids[0] for ids in written if len(ids) == 1}
    if not tokens:
        raise InputError(f"the judge's tokenizer has no token that alone is {answer!r}; use another model.")
    return tokens
