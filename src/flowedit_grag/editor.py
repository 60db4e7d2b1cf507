"""``Editor``: images and prompts in, images out."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from . import __version__
from .algorithms import Method
from .algorithms.base import OnProgress, Source, Targets, drained, draws
from .algorithms.select import check_selection, with_profile
from .backbone.flow import Flow
from .backbone.image import ImageLike, fitted, read_image
from .backbone.load import Offload, load
from .errors import InputError
from .guidance.grag import GRAG
from .measure import measured, memory_advice
from .result import Result, Strip, plain


class Editor:
    """Edits images with one method on one model.

    Args:
        method: a name (``flowedit_grag.methods()``), the address of your own (``"module:Class"``), or a ready one.
        model: ``"lab"``, a folder, a hub id, or a loaded :class:`Flow`.
        grag: strength of the edit: ``None``, delta, ``(lam, delta)``, a dict or a :class:`GRAG`.
        dtype, device, offload, quantization, lora, attention_backend, compile, memory_budget: see
            :func:`flowedit_grag.load`.
        options: the method's own; what is not given comes from the model's profile, then the method's defaults.

    Raises :class:`InputError` for anything that cannot be used.
    """

    def __init__(
        self,
        method: str | Method | type[Method] = "stableflow+",
        model: str | Path | Flow = "lab",
        *,
        grag: Any = None,
        dtype: torch.dtype | str | None = None,
        device: torch.device | str | None = None,
        offload: Offload = "none",
        quantization: str | Mapping[str, Any] | None = None,
        lora: str | Path | Sequence[str | Path] = (),
        attention_backend: str | None = None,
        compile: bool = False,
        memory_budget: int | None = None,
        **options: Any,
    ):
        strength = GRAG.of(grag)
        check_selection(method, strength, options)
        self.flow = model if isinstance(model, Flow) else load(
            model, dtype=dtype, device=device, offload=offload, quantization=quantization, lora=lora,
            attention_backend=attention_backend, compile=compile, memory_budget=memory_budget,
        )  # fmt: skip
        self.method_name = method if isinstance(method, str) else getattr(method, "__name__", type(method).__name__)
        self.method = with_profile(method, self.flow, strength, options)

    def edit(
        self,
        image: ImageLike,
        *,
        source_prompt: str,
        target_prompt: str | Sequence[str],
        seed: int = 0,
        on_progress: OnProgress | None = None,
    ) -> Result:
        """Edit ``image``, described by ``source_prompt``, towards each ``target_prompt`` (all in one batch).

        The same seed gives the same result, bit for bit, on the same machine.
        """
        targets = [target_prompt] if isinstance(target_prompt, str) else list(target_prompt)
        return self._run(Result, image, source_prompt, targets, None, seed, on_progress)

    def sweep(
        self,
        image: ImageLike,
        *,
        source_prompt: str,
        target_prompt: str,
        delta: Sequence[float],
        lam: float | None = None,
        seed: int = 0,
        on_progress: OnProgress | None = None,
    ) -> Strip:
        """The same edit at every strength in ``delta``: one inversion, one source row, the strengths in one batch."""
        own = getattr(self.method, "grag", None) or GRAG()
        strengths = [GRAG(own.lam if lam is None else lam, value) for value in delta]
        if not strengths:
            raise InputError("a sweep needs at least one delta.")
        return self._run(Strip, image, source_prompt, [target_prompt] * len(strengths), strengths, seed, on_progress)

    def generate(
        self,
        *,
        source_prompt: str,
        target_prompt: str | Sequence[str],
        size: tuple[int, int] | None = None,
        seed: int = 0,
        on_progress: OnProgress | None = None,
    ) -> Result:
        """Edit an image that is itself generated, from ``source_prompt`` and ``seed``, at ``size = (width, height)``.

        Raises :class:`InputError` for methods that need an image.
        """
        if not hasattr(self.method, "generate"):
            raise InputError(f"{self.method_name} edits only given images; to edit a generated one use stableflow.")
        targets = [target_prompt] if isinstance(target_prompt, str) else list(target_prompt)
        _check_prompts(source_prompt, targets)
        side = round((self.flow.profile.pixels or 2**20) ** 0.5)
        width, height = size or (side, side)
        blank = self.flow.encode(np.zeros((height, width, 3), np.uint8))
        with memory_advice(), measured(self.flow) as cost:
            source, target = self.flow.condition(source_prompt), self.flow.condition(targets)
            job = Source(self.flow, blank, source, draws(_generator(seed), blank))
            steps = self.method.generate(job, Targets(target, (getattr(self.method, "grag", None),) * len(target)))
            images = [self.flow.decode(row[None], (width, height)) for row in drained(steps, on_progress)]
        settings = self._settings(source_prompt, targets, None, seed, (width, height))
        return Result.of(cost, images[1:], images[0], settings)

    def _run(self, kind, image, source_prompt, targets, strengths, seed, on_progress):
        _check_prompts(source_prompt, targets)
        generator = _generator(seed)
        original = read_image(image)
        worked = fitted(original, self.flow.profile.pixels)
        with memory_advice(), measured(self.flow) as cost:
            source, target = self.flow.condition(source_prompt), self.flow.condition(targets)
            latents = self.flow.encode(worked)
            self._warn_if_foreign(worked, latents)
            steps = self.method.iterate(
                self.flow, latents, source=source, target=target, noise=generator, grag=strengths
            )
            edits = drained(steps, on_progress)
            images = [_to_size(self.flow.decode(row[None], worked.size), original.size) for row in edits]
        settings = self._settings(source_prompt, targets, strengths, seed, worked.size)
        return kind.of(cost, images, original, settings)

    def _warn_if_foreign(self, image: Image.Image, latents: torch.Tensor) -> None:
        limit = self.flow.profile.roundtrip_psnr
        if limit is None:
            return
        back = np.asarray(self.flow.decode(latents, image.size), float)
        error = np.mean((back - np.asarray(image, float)) ** 2)
        if error > 255**2 / 10 ** (limit / 10):
            warnings.warn(self.flow.profile.about, stacklevel=4)

    def _settings(self, source_prompt, targets, strengths, seed, size) -> dict[str, Any]:
        options = {f.name: plain(getattr(self.method, f.name)) for f in fields(self.method)}
        own = options.pop("grag", None)
        return {
            "method": self.method_name,
            "options": options,
            "grag": own if strengths is None else [plain(strength) for strength in strengths],
            "model": self.flow.name,
            "dtype": str(self.flow.transformer.dtype).removeprefix("torch."),
            "device": str(self.flow.device),
            "source_prompt": source_prompt,
            "target_prompts": targets,
            "seed": seed,
            "size": list(size),
            "version": __version__,
        }


def _check_prompts(source_prompt: str, targets: Sequence[str]) -> None:
    if not isinstance(source_prompt, str) or not source_prompt.strip():
        raise InputError("the source prompt is empty; describe the image as it is.")
    if not targets or not all(isinstance(prompt, str) and prompt.strip() for prompt in targets):
        raise InputError("a target prompt is empty; describe the image as it should become.")


def _generator(seed: int) -> torch.Generator:
    """Noise is drawn on the CPU, so that a seed means the same on every device."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed must be a whole number from 0 on, not {seed!r}.")
    return torch.Generator().manual_seed(seed)


def _to_size(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
