"""``Editor``: images and prompts in, images out."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from .backbone.image import ImageLike, alpha_of, read_image, resized
from .backbone.image_flow import ImageFlow
from .backbone.load import load
from .detail import Detail, check_detail, finished, say_unchanged
from .errors import InputError, memory_advice
from .guidance.control import Control
from .guidance.grag import GRAG
from .image_metadata import source_of
from .job import job, released, watched
from .methods import METHODS, Method
from .methods.diptych import DiptychMethod
from .methods.early_filter import EarlyFilter
from .methods.frame import EditRequest, frame_of
from .methods.generated import generated
from .methods.inputs import Source, Steps, run_to_end
from .methods.resolve import check_selection, resolve_method
from .progress import OnProgress
from .result import Result, Strip
from .seeds import generator
from .settings import settings_of

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
        if isinstance(delta, str) or not np.iterable(delta):
            raise InputError(f"a sweep takes a list of deltas, such as [0.9, 1.0, 1.1], not {delta!r}.")
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
        width, height = _sides(size, self.flow.side)
        with memory_advice(), job(self.flow) as (flow, cost):
            blank = flow.encode(np.zeros((height, width, 3), np.uint8))
            source, target = flow.condition(source_prompt), flow.condition(targets)
            made = self.method.source(flow, blank, source, noise)
            rows = run_to_end(generated(self.method, made, target), watched(on_progress))
            images = [flow.decode(row[None], (width, height)) for row in rows]
        settings = settings_of(
            self.method_name, self.method, flow, made.layout, kind="generate", request=request.plain(),
            source_prompt=source_prompt, target_prompts=targets, size=(width, height), seed=seed,
        )  # fmt: skip
        return Result(images=images[1:], source=images[0], settings=settings, **vars(cost))

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
            if flow.is_foreign(worked):
                warnings.warn(flow.profile.about, stacklevel=4)
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
        settings = settings_of(
            self.method_name, self.method, flow, self.method.canvas(subject), strengths, kind=kind.kind,
            request=request.plain(), source=source_of(image, original, alpha), source_prompt=source_prompt,
            target_prompts=targets, size=worked.size, seed=seed, **made_so,
        )  # fmt: skip
        say_unchanged(made_so["unchanged"], len(images), kind is Strip)
        if filtered is not None:
            settings["early_filter"] = filtered.record()
        return kind(images=images, source=original, settings=settings, filtered=filtered, alpha=alpha, **vars(cost))


def _sides(size: Any, side: int) -> tuple[int, int]:
    """(width, height) of a picture: the model's own ``side``, or what was asked for."""
    if size is None:
        return side, side
    asked = list(size) if np.iterable(size) and not isinstance(size, str) else []
    if len(asked) != 2 or not all(isinstance(pixels, Integral) and int(pixels) > 0 for pixels in asked):
        raise InputError(f"size is (width, height) in pixels, not {size!r}.")
    return int(asked[0]), int(asked[1])
