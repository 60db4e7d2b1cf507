"""The lab's CLIP as the judge: a small network, which can be wrong, unlike the oracle that grades."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..embedded import ENCODERS
from ..errors import InputError
from ..tokenize import tokenize
from .base import Verdict
from .pretrained import PretrainedJudge

HEAD = "edit_head.safetensors"
KEPT = 0.5  # of the original's feature: with all of it, place and shade outweigh small faults; chosen on validation


class EditHead(nn.Module):
    """From the features ``[B, width]`` of a picture and of an instruction, both of length 1, to those of the edit.

    ``kept`` is how much of the picture's own stays in them; 1 in training.
    """

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, picture: Tensor, instruction: Tensor, kept: float = 1.0) -> Tensor:
        return normalize(kept * picture + self.layers(torch.cat([picture, instruction], dim=-1)), dim=-1)


@dataclass(frozen=True)
class LabCLIPJudge(PretrainedJudge):
    """The picture wins that is nearer to where the head says that the instruction leads the original."""

    kind: ClassVar = "CLIPModel"

    model: str = "lab-clip"

    @staticmethod
    def arguments(rest: str) -> tuple[()]:
        """From what follows ``lab-clip`` in a judge's name: nothing."""
        if rest:
            raise InputError(f"the lab's CLIP has no models to choose from; say 'lab-clip', not 'lab-clip:{rest}'.")
        return ()

    def __call__(self, instruction: str, original: Image.Image, first: Image.Image, second: Image.Image) -> Verdict:
        if len(self._loaded[0].tokenizer.tokenize(instruction)) != len(tokenize(instruction)):
            return Verdict(None, "the instruction has words that the lab's CLIP does not know")
        wanted = self.wanted(instruction, original)
        one, two = (float(wanted @ self.seen(picture)) for picture in (first, second))
        return Verdict.higher(one, two, f"cosines {one:.4f} and {two:.4f} with what is wanted")

    @torch.inference_mode()
    def wanted(self, instruction: str, original: Image.Image) -> Tensor:
        """The feature ``[D]``, of length 1, of ``original`` edited by ``instruction``."""
        return self._head(self.seen(original)[None], self.said([instruction]), KEPT)[0]

    @torch.inference_mode()
    def said(self, texts: Sequence[str]) -> Tensor:
        """The features of ``texts``, ``[B, D]``, of length 1."""
        processor, network = self._loaded
        words = processor(text=list(texts), return_tensors="pt", padding=True, truncation=True).to(network.device)
        return normalize(network.get_text_features(**words).pooler_output, dim=-1)

    @torch.inference_mode()
    def seen(self, image: Image.Image) -> Tensor:
        """The feature of ``image``, ``[D]``, of length 1. One image at a time: equal ones must score equally."""
        processor, network = self._loaded
        pixels = processor(images=[image.convert("RGB")], return_tensors="pt").to(network.device)
        return normalize(network.get_image_features(**pixels).pooler_output[0], dim=-1)

    @cached_property
    def _head(self) -> Any:
        network = self._loaded[1]
        head = EditHead(network.config.projection_dim)
        head.load_state_dict(load_file(ENCODERS[self.model] / HEAD))
        return head.to(network.device).eval()
