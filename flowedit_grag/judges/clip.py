"""CLIP as the judge: the comparison of ICEdit's Table 3b (arXiv:2504.20690), where it does worse than none."""

from dataclasses import dataclass
from typing import ClassVar

from PIL import Image

from .base import Verdict
from .pretrained import PretrainedJudge


@dataclass(frozen=True)
class CLIPJudge(PretrainedJudge):
    """The picture that is nearer to the instruction's text wins; the original is not looked at.

    ``model`` is a folder or a hub id; by default ViT-B/32, as in the paper's metrics (§B.4.2).
    """

    kind: ClassVar = "CLIPModel"

    model: str = "openai/clip-vit-base-patch32"

    @staticmethod
    def arguments(rest: str) -> tuple[str, ...]:
        """From what follows ``clip:`` in a judge's name: a folder or a hub id, or nothing."""
        return (rest,) if rest else ()

    def __call__(self, instruction: str, original: Image.Image, first: Image.Image, second: Image.Image) -> Verdict:
        scores = self.score(instruction, first), self.score(instruction, second)
        return Verdict.higher(*scores, f"CLIP scores {scores[0]:.4f} and {scores[1]:.4f}")

    def score(self, text: str, image: Image.Image) -> float:
        """Cosine similarity of ``text`` (cut to what CLIP reads) and ``image``, -1..1.

        One image at a time: rows of a batch may round apart, and equal images must score equally.
        """
        import torch

        processor, network = self._loaded
        inputs = processor(text=[text], images=[image], return_tensors="pt", truncation=True).to(network.device)
        with torch.inference_mode():
            out = network(**inputs.to(network.dtype))  # casts the pixels only
        return float((out.text_embeds * out.image_embeds).sum())  # both have length 1
