"""``Editor``: images and prompts in, images out."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .analysis.calibration import Calibrated, calibrated
from .backbone.image import ImageLike, alpha_of, read_image, resized
from .backbone.image_flow import ImageFlow
from .backbone.load import load
from .detail import Detail, check_detail, finished, say_unchanged
from .edit_job import EditJob, by_each, in_few_steps, say_beyond
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
from .methods.resolve import check_selection, resolve_method, turned_by
from .methods.strength import AUTO, check_strength, strengths
from .progress import OnProgress, Progress
from .result import Result, Strip
from .seeds import generator
from .settings import settings_of

LOADING = frozenset(load.__kwdefaults__ or ())  # dtype, device, offload, quantization, lora, ...
Prepare = Callable[[Method, Source], Steps]
WORDS = ("instruction", "source_prompt", "target_prompt")
STRENGTHS = 5  # of a sweep that does not say how many
COSTS = ("nfe", "forward_calls", "seconds", "skipped")


class Editor:
    """Edits images with one method on one model.

    Args:
        method: a name (``flowedit_grag.list_methods()``), the address of your own (``"module:Class"``), or a ready one,
            whose options stay as they are, whatever the model's profile or the adapter's width.
        model: a folder, a hub id, or a loaded :class:`Flow`; by default the embedded ``"lab"``, or for a method that
            needs a Fill model ``"lab-fill"`` with the adapter ``"lab-moe"``.
        grag: GRAG's numbers: ``None``, delta, ``(lam, delta)``, a dict or a :class:`GRAG`.
        strength, calibrate: as in :meth:`edit`, for all edits.
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
        own = None if grag is None else GRAG.of(grag)
        given = {name: options.pop(name) for name in sorted(LOADING & set(options))}
        made = check_selection(method, own, options)
        if isinstance(model, ImageFlow) and given:
            raise InputError(f"{', '.join(given)} cannot be set on a loaded model; give it to load().")
        embedded = {"model": "lab-fill", "adapter": "lab-moe"} if made.fills else {"model": "lab"}
        loading = {**(embedded if model is None else {"model": model}), **given}
        self.flow = model if isinstance(model, ImageFlow) else load(**loading)
        self.method_name = method if isinstance(method, str) else METHODS.name_of(type(made))
        self.method = resolve_method(method, self.flow, own, options)
        self.method.check_model(self.flow)

    @released
    def edit(
        self,
        image: ImageLike,
        *,
        source_prompt: str | None = None,
        target_prompt: str | Sequence[str] | None = None,
        instruction: str | Sequence[str] | None = None,
        strength: float | None = None,
        calibrate: Any = None,
        seed: int = 0,
        early_filter: EarlyFilter | None = None,
        detail: Detail = "original",
        on_progress: OnProgress | None = None,
        prepare: Prepare | None = None,
    ) -> Result:
        """Edit ``image``, described by ``source_prompt``, towards each ``target_prompt`` (all share one source row); or
        with methods that take one, by each ``instruction``.

        ``strength`` is from 0, the weakest whole picture, to 1. It turns the method's own number (FlowSlider's
        ``scale``, sdedit's ``start``) or GRAG's delta, over the range that the model's profile has for it, or that
        ``calibrate`` gives: the JSON of ``flowedit-grag calibrate``, or ``"auto"`` for one measured on this picture,
        which costs twenty edits of few steps, counted in the result's cost.

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
        job = EditJob(image, request, seed, detail, on_progress)
        if strength is None:
            if calibrate is not None:
                raise InputError("calibrate says what a strength turns; give a strength too.")
            return self._edited(Result, job, [self.method], early_filter=early_filter, prepare=prepare)
        return self._turned(
            Result, job, [check_strength(strength)], calibrate, early_filter=early_filter, prepare=prepare
        )

    @released
    def sweep(
        self,
        image: ImageLike,
        *,
        source_prompt: str | None = None,
        target_prompt: str | None = None,
        instruction: str | None = None,
        delta: Sequence[float] | None = None,
        strength: int | Sequence[float] | None = None,
        lam: float | None = None,
        calibrate: Any = None,
        seed: int = 0,
        detail: Detail = "original",
        on_progress: OnProgress | None = None,
    ) -> Strip:
        """The same edit at every ``strength`` (a list, or how many from 0 to 1; five by default), or with every
        ``delta`` of GRAG: one inversion, one source row and one batch where keys are turned; see :meth:`edit`."""
        request = EditRequest.of(instruction, source_prompt, target_prompt)
        if len(request.target_prompts) > 1 or len(request.instructions) > 1:
            raise InputError("a sweep needs one target prompt or instruction.")
        job = EditJob(image, request, seed, detail, on_progress)
        if delta is None:
            if lam is not None:
                raise InputError("lam goes with delta; a strength turns one number.")
            asked = strengths(STRENGTHS if strength is None else strength)
            return self._turned(Strip, job, asked, calibrate)
        if strength is not None or calibrate is not None:
            raise InputError("a sweep goes over strengths or deltas; give one of them.")
        return self._edited(Strip, job, self._with_deltas(delta, lam))

    def _with_deltas(self, delta: Sequence[float], lam: float | None) -> list[Method]:
        check_selection(self.method, GRAG(), {})
        own = self.method.control or GRAG()
        if not isinstance(own, GRAG):
            raise InputError("grag, or a sweep of it, and dial turn the same thing; give one of them.")
        if isinstance(delta, str) or not np.iterable(delta):
            raise InputError(f"a sweep takes a list of deltas, such as [0.9, 1.0, 1.1], not {delta!r}.")
        if not list(delta):
            raise InputError("a sweep needs at least one delta.")
        lam = own.lam if lam is None else lam
        return [replace(self.method, control=GRAG(lam, value)) for value in delta]

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
        methods = [replace(self.method, control=control) for control in controls]
        job = EditJob(image, request, seed, detail, on_progress)
        return self._edited(Result, job, methods, whole=True, prepare=prepare)

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

    def calibrate(self, problems: Sequence[Mapping[str, Any]], on_progress: OnProgress | None = None) -> Calibrated:
        """What a strength turns of this method on this model, found on ``problems``: what :meth:`edit` takes, as
        ``{"image": ..., "source_prompt": ..., "target_prompt": ...}``.

        Every picture is edited at thirteen values, and at six more where the change is steepest. Raises
        :class:`InputError` for a method that has no number to turn.
        """
        if not all(isinstance(one, Mapping) and "image" in one for one in problems):
            raise InputError(
                "a problem is what edit() takes, as {'image': ..., 'source_prompt': ..., 'target_prompt': ...}."
            )
        words = [EditRequest.of(*(one.get(name) for name in WORDS)) for one in problems]
        jobs = [EditJob(one["image"], asked, one.get("seed", 0)) for one, asked in zip(problems, words, strict=True)]

        def done(count: int) -> None:
            if on_progress:
                on_progress(Progress("pictures", count, 2 * len(jobs)))

        return calibrated(self.flow, self.method, [partial(self._probe, self.method, job, []) for job in jobs], done)

    def _turned(
        self, kind: type[Result], job: EditJob, asked: list[float], calibrate: Any, **more: Any
    ) -> Any:  # fmt: skip
        """The picture at each of the strengths ``asked`` for; what measuring a calibration cost is in its cost."""
        check_detail(job.detail)
        spent: list[Result] = []
        if isinstance(calibrate, str) and calibrate == AUTO:
            few = in_few_steps(self.method)
            found = calibrated(self.flow, few, [partial(self._probe, few, job, spent)], lambda count: None).calibration
        else:
            found = turned_by(self.method, self.flow, calibrate)
        methods = [found.turn(self.method, one) for one in asked]
        strength = asked if kind is Strip else asked[0]
        made = self._edited(kind, job, methods, strength=strength, calibrate=found, **more)
        return replace(made, **{of: getattr(made, of) + sum(getattr(one, of) for one in spent) for of in COSTS})

    def _probe(
        self, method: Method, job: EditJob, spent: list[Result], methods: Sequence[Method]
    ) -> tuple[list[Image.Image], Image.Image]:  # fmt: skip
        """The edits of one picture by each of ``methods``, and the source as the model shows it, both as large as the
        model works; says nothing, and adds what it cost to ``spent``."""
        if len(job.request.target_prompts) > 1 or len(job.request.instructions) > 1:
            raise InputError("a calibration is measured on one target or instruction; give one, or a calibration.")
        frame, told = frame_of(method), job.on_progress
        image = resized(original := read_image(job.image), frame.size(self.flow, original.size))
        shown = None if told is None else lambda at: told(replace(at, stage="calibrate"))
        made = self._edited(Result, replace(job, image=image, detail="model", on_progress=shown), methods, quiet=True)
        spent.append(made)
        return made.images, self.flow.decode(self.flow.encode(image), image.size)

    def _edited(
        self, kind: type[Result], asked: EditJob, methods: Sequence[Method], *, early_filter: EarlyFilter | None = None,
        whole: bool = False, prepare: Prepare | None = None, quiet: bool = False, **said: Any,
    ) -> Any:  # fmt: skip
        """One run, as a ``kind``: of every target, or of the only one by each of ``methods``, those that differ only in
        their control ``whole`` in one batch. ``said`` goes into the settings."""
        check_detail(asked.detail)
        request, method = asked.request, methods[0]
        frame = frame_of(method)
        source_prompt, targets = request.prompts(method)
        original, alpha, filtered = read_image(asked.image), alpha_of(asked.image), None
        worked = resized(original, frame.size(self.flow, original.size))
        controls = [one.control for one in methods] if kind is Strip or whole else None
        if not quiet:
            say_beyond(methods, self.flow)
        with memory_advice(), job(self.flow) as (flow, cost):
            latents = frame.encode(flow, worked)
            if not quiet and flow.is_foreign(worked):
                warnings.warn(flow.profile.about, stacklevel=4)
            source, target = flow.condition(source_prompt), flow.condition(targets)
            subject = Source(flow, latents, source, iter(()))
            if whole and len(methods) > (fit := method.targets_at_once(subject)):
                raise InputError(
                    f"of the {len(methods)} rows of a batch {fit} fit into memory; set batch_rows to that."
                )
            told: dict[str, Any] = {"source": source, "target": target}
            if early_filter is None:
                made = None if prepare is None else partial(prepare, method)
                steps = by_each(methods, flow, latents, seed=asked.seed, prepare=made, **told)
                edits = run_to_end(steps, watched(asked.on_progress))
            else:
                assert isinstance(method, DiptychMethod)  # which early_filter.check has seen to
                steps = early_filter.iterate(
                    method, flow, latents, seed=asked.seed, instruction=request.instructions[0], shown=worked, **told
                )  # fmt: skip
                edits, filtered = run_to_end(steps, watched(asked.on_progress))
            images, made_so = finished(frame, flow, edits, latents, original, asked.detail)
        settings = settings_of(
            self.method_name, method, flow, method.canvas(subject), controls, kind=kind.kind, request=request.plain(),
            source=source_of(asked.image, original, alpha), source_prompt=source_prompt, target_prompts=targets,
            size=worked.size, seed=asked.seed, **said, **made_so,
        )  # fmt: skip
        if not quiet and said.get("strength") != 0:  # which may be the source itself
            say_unchanged(made_so["unchanged"], len(images), len(methods) > 1)
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
