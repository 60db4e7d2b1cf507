"""``Editor``: images and prompts in, images out."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

from . import __version__
from .backbone.image import ImageLike, alpha_of, padded, read_image, resized
from .backbone.image_flow import ImageFlow
from .backbone.load import load
from .detail import Detail, check_detail, finished, say_unchanged
from .errors import InputError, memory_advice
from .guidance.control import Control
from .guidance.grag import GRAG
from .image_metadata import source_of
from .job import job, released, watched
from .methods import METHODS, Method, written_options
from .methods.diptych import DiptychMethod
from .methods.early_filter import EarlyFilter
from .methods.frame import EditRequest, frame_of
from .methods.inputs import Source, Steps, Targets, run_to_end, subprogress
from .methods.resolve import check_selection, resolve_method
from .progress import OnProgress
from .result import Result, Strip, plain
from .seeds import generator

LOADING = frozenset(load.__kwdefaults__ or ())  # dtype, device, offload, quantization, lora, ...
Prepare = Callable[[Method, Source], Steps]


class Editor:
    """Edits images with one method on one model.

    Args:
        method: a name (``flowedit_grag.list_methods()``), the address of your own (``"module:Class"``), or a ready one,
            whose options stay as they are, whatever the model's profile or the adapter's width.
        model: a folder, a hub id, or a loaded :class:`Flow`; by default the embedded ``"lab"``, or for a method that
            needs a Fill model ``"lab-fill"`` with the adapter ``"lab-moe"``.
        grag: strength of the edit: ``None``, delta, ``(lam, delta)``, a dict or a :class:`GRAG`.
        options: what :func:`flowedit_grag.load` takes (``dtype``, ``device``, ``offload``, ``quantization``,
            ``transformer``, ``lora``, ``adapter``, ``adapter_scale``, ``attention_backend``, ``compile``,
            ``memory_budget``, ``revision``), and the method's own options. What is not given comes from the model's
            profile, then from the method's defaults.

    Raises :class:`InputError` for anything that cannot be used.
    """

    def __init__(
        self,
        /,  # whatever options are called
        method: str | Method | type[Method] = "stableflow+",
        model: str | Path | ImageFlow | None = None,
        *,
        grag: Any = None,
        **options: Any,
    ):
        strength = None if grag is None else GRAG.of(grag)
        given = {name: options.pop(name) for name in sorted(LOADING & set(options))}
        made = check_selection(method, strength, options)
        if isinstance(model, ImageFlow) and given:
            raise InputError(f"{', '.join(given)} cannot be set on a loaded model; give it to load().")
        embedded = {"model": "lab-fill", "adapter": "lab-moe"} if made.fills else {"model": "lab"}
        loading = {**(embedded if model is None else {"model": model}), **given}
        self.flow = model if isinstance(model, ImageFlow) else load(**loading)
        self.method_name = method if isinstance(method, str) else METHODS.name_of(type(made))
        self.method = resolve_method(method, self.flow, strength, options)
        self.method.check_model(self.flow)

    @released
    def edit(
        self,
        image: ImageLike,
        *,
        source_prompt: str | None = None,
        target_prompt: str | Sequence[str] | None = None,
        instruction: str | Sequence[str] | None = None,
        seed: int = 0,
        early_filter: EarlyFilter | None = None,
        detail: Detail = "original",
        on_progress: OnProgress | None = None,
        prepare: Prepare | None = None,
    ) -> Result:
        """Edit ``image``, described by ``source_prompt``, towards each ``target_prompt`` (all share one source row); or
        with methods that take one, by each ``instruction``.

        ``early_filter`` tries several seeds on one instruction and lets a judge choose; what it did is in
        :attr:`Result.filtered`. Of a picture larger than the model works at, ``detail="original"`` keeps the fine
        detail where the edit changed little, and ``"model"`` shows what the model made, enlarged;
        ``settings["detail"]`` says what was done. ``prepare`` is in place of :meth:`Method.prepare`, for those who keep
        its result.
        The same seed gives the same result, bit for bit, on the same machine.
        """
        request = EditRequest.of(instruction, source_prompt, target_prompt)
        if early_filter is not None:
            if not isinstance(early_filter, EarlyFilter):
                raise InputError(f"early_filter is an EarlyFilter(seeds=6, steps=10), not {early_filter!r}.")
            early_filter.check(self.method, request)
        return self._edited(Result, image, request, None, seed, detail, on_progress, early_filter, prepare=prepare)

    @released
    def sweep(
        self,
        image: ImageLike,
        *,
        source_prompt: str | None = None,
        target_prompt: str | None = None,
        instruction: str | None = None,
        delta: Sequence[float],
        lam: float | None = None,
        seed: int = 0,
        detail: Detail = "original",
        on_progress: OnProgress | None = None,
    ) -> Strip:
        """The same edit at every strength in ``delta``: one inversion, one source row, the strengths in one batch."""
        check_selection(self.method, GRAG(), {})
        if self.method.control is not None and not isinstance(self.method.control, GRAG):
            raise InputError("grag, or a sweep of it, and dial turn the same thing; give one of them.")
        own = self.method.control or GRAG()
        strengths = [GRAG(own.lam if lam is None else lam, value) for value in delta]
        request = EditRequest.of(instruction, source_prompt, target_prompt)
        if not strengths or len(request.target_prompts) > 1 or len(request.instructions) > 1:
            raise InputError("a sweep needs one target prompt or instruction, and at least one delta.")
        return self._edited(Strip, image, request, strengths, seed, detail, on_progress)

    @released
    def edit_with(
        self,
        image: ImageLike,
        *,
        controls: Sequence[Control | None],
        source_prompt: str | None = None,
        target_prompt: str | None = None,
        instruction: str | None = None,
        seed: int = 0,
        detail: Detail = "original",
        on_progress: OnProgress | None = None,
        prepare: Prepare | None = None,
    ) -> Result:
        """The same edit with each of ``controls`` in place of the method's own: one inversion, one source row, all of
        them in one batch.

        Raises :class:`InputError` where they do not fit into memory at once: what a batch holds changes the last bits.
        """
        request = EditRequest.of(instruction, source_prompt, target_prompt)
        strengths = list(controls)
        return self._edited(Result, image, request, strengths, seed, detail, on_progress, whole=True, prepare=prepare)

    @released
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
        request = EditRequest.of(None, source_prompt, target_prompt)
        source_prompt, targets = request.prompts(self.method)
        noise = generator(seed)
        width, height = size or (self.flow.side, self.flow.side)
        with memory_advice(), job(self.flow) as (flow, cost):
            blank = flow.encode(np.zeros((height, width, 3), np.uint8))
            source, target = flow.condition(source_prompt), flow.condition(targets)
            made = self.method.source(flow, blank, source, noise)
            rows = run_to_end(self._generated(made, self.method.targets(target)), watched(on_progress))
            images = [flow.decode(row[None], (width, height)) for row in rows]
        settings = self._settings(source_prompt, targets, None, seed, (width, height), made.layout)
        settings |= {"kind": "generate", "request": request.plain()}
        return Result(images=images[1:], source=images[0], settings=settings, **vars(cost))

    def _generated(self, source: Source, targets: Targets) -> Steps:
        """``[1 + targets, C, h, w]``, the source first: each batch that fits into memory has it beside its targets."""
        method: Any = self.method  # which generates
        start, size, rows = next(source.noise), method.targets_at_once(source), []
        batches = [targets[first : first + size] for first in range(0, len(targets), size)]
        for index, batch in enumerate(batches):
            steps = method.generate(replace(source, noise=iter([start])), batch)
            rows.append((yield from subprogress(steps, index, len(batches))))
        return torch.cat([rows[0][:1], *(made[1:] for made in rows)])

    def _edited(
        self, kind: type[Result], image: ImageLike, request: EditRequest, strengths: Sequence[Control | None] | None,
        seed: int, detail: Detail, on_progress: OnProgress | None, early_filter: EarlyFilter | None = None,
        whole: bool = False, prepare: Prepare | None = None,
    ) -> Any:  # fmt: skip
        """One run, as a ``kind``; with ``strengths``, of the only target at each of them, ``whole`` in one batch."""
        check_detail(detail)
        frame = frame_of(self.method)
        source_prompt, targets = request.prompts(self.method)
        noise, original, alpha, filtered = generator(seed), read_image(image), alpha_of(image), None
        worked = resized(original, frame.size(self.flow, original.size))
        with memory_advice(), job(self.flow) as (flow, cost):
            latents = frame.encode(flow, worked)
            self._warn_if_foreign(flow, worked)
            source, target = flow.condition(source_prompt), flow.condition(targets)
            if strengths is not None:
                target = target[[0] * len(strengths)]
            subject = Source(flow, latents, source, iter(()))
            if whole and len(target) > (fit := self.method.targets_at_once(subject)):
                raise InputError(f"of the {len(target)} rows of a batch {fit} fit into memory; set batch_rows to that.")
            if early_filter is None:
                made = None if prepare is None else partial(prepare, self.method)
                steps = self.method.iterate(
                    flow, latents, source=source, target=target, noise=noise, grag=strengths, prepare=made
                )
                edits = run_to_end(steps, watched(on_progress))
            else:
                assert isinstance(self.method, DiptychMethod)  # which early_filter.check has seen to
                steps = early_filter.iterate(
                    self.method, flow, latents, source=source, target=target, seed=seed,
                    instruction=request.instructions[0], shown=worked,
                )  # fmt: skip
                edits, filtered = run_to_end(steps, watched(on_progress))
            images, made_so = finished(frame, flow, edits, latents, original, detail)
        settings = self._settings(source_prompt, targets, strengths, seed, worked.size, self.method.canvas(subject))
        settings |= {"kind": kind.kind, "request": request.plain(), "source": source_of(image, original, alpha)}
        settings |= made_so
        say_unchanged(made_so["unchanged"], len(images), kind is Strip)
        if filtered is not None:
            settings["early_filter"] = filtered.record()
        return kind(images=images, source=original, settings=settings, filtered=filtered, alpha=alpha, **vars(cost))

    def _warn_if_foreign(self, flow: ImageFlow, image: Image.Image) -> None:
        """Warn about a picture that the autoencoder reproduces worse than the model's profile says it should."""
        limit = flow.profile.roundtrip_psnr
        if limit is None:
            return
        latents = flow.encode(padded(image, flow.multiple))  # of it alone, whatever the method puts beside it
        error = np.mean((np.asarray(flow.decode(latents, image.size), float) - np.asarray(image, float)) ** 2)
        if error > 255**2 / 10 ** (limit / 10):
            warnings.warn(flow.profile.about, stacklevel=5)

    def _settings(self, source_prompt, targets, strengths, seed, size, layout) -> dict[str, Any]:
        options, cache = written_options(self.method), getattr(self.flow.transformer, "_cache_config", None)
        own = options.pop("grag", None)
        return plain({
            "method": self.method_name,
            "options": options,
            "grag": own if strengths is None else strengths,
            "model": self.flow.name,
            "loading": self.flow.loading,
            **({"step_cache": cache} if cache else {}),
            "dtype": str(self.flow.transformer.dtype).removeprefix("torch."),
            "device": str(self.flow.device),
            "rows_at_once": self.flow.rows_that_fit(layout),
            "source_prompt": source_prompt,
            "target_prompts": targets,
            "seed": seed,
            "size": size,
            "versions": {"flowedit_grag": __version__, "torch": torch.__version__, "diffusers": diffusers.__version__},
        })  # fmt: skip
