"""What a method is: a frozen dataclass whose fields are its options, with two generators that do the work."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from ..backbone.condition import Condition
from ..backbone.flow import Flow
from ..backbone.image import fitted
from ..backbone.memory import rows_that_fit
from ..backbone.tokens import TokenLayout
from ..errors import InputError
from ..guidance.classifier_free import GuidedVelocity
from ..guidance.grag import GRAG
from .options import check_options
from .wanted import Wanted

Noise = torch.Generator | Iterable[Tensor]


@dataclass(frozen=True)
class Progress:
    """Yielded after every step: ``step`` of ``steps`` of a ``stage`` is done, and ``latents`` are where it stands."""

    stage: str
    step: int
    steps: int
    latents: Tensor


Steps = Generator[Progress, None, Any]
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Source:
    """What is edited: latents ``[1, C, h, w]``, the prompt that describes them, and noise of the same shape."""

    flow: Flow
    latents: Tensor
    condition: Condition
    noise: Iterator[Tensor]
    negative: Condition | None = None  # where true classifier-free guidance is on

    @property
    def layout(self) -> TokenLayout:
        return self.flow.layout(self.latents, self.condition)


@dataclass(frozen=True)
class Targets:
    """Edits made in one batch: a prompt (row of ``condition``) and a strength each."""

    condition: Condition
    grag: tuple[GRAG | None, ...]

    def __len__(self) -> int:
        return len(self.condition)

    def __getitem__(self, rows: slice) -> "Targets":
        return Targets(self.condition[rows], self.grag[rows])


@dataclass(frozen=True, kw_only=True)
class Method:
    """An editing method. Its fields are its options.

    A method of your own implements :meth:`prepare` (what depends on the source only, done once) and :meth:`edit`
    (one batch of edits), both generators that yield :class:`Progress`.

    Attributes:
        true_cfg: scale of true classifier-free guidance on the targets; 1 is off.
        negative_prompt: what it guides away from.
    """

    true_cfg: float = 1.0
    negative_prompt: str = ""
    fills: ClassVar[bool] = False  # whether it needs a Fill model

    def __post_init__(self):
        check_options(self)

    def check_model(self, flow: Flow) -> None:
        """Raise :class:`InputError` unless ``flow`` is of the kind that the method works with."""
        if flow.fills != self.fills:
            kinds = {True: "a Fill model, such as FLUX.1-Fill-dev", False: "a text-to-image model, such as FLUX.1-dev"}
            name = flow.name or "this model"
            raise InputError(f"{type(self).__name__} needs {kinds[self.fills]}; {name} is {kinds[flow.fills]}.")

    def prompts(self, wanted: Wanted) -> tuple[str, list[str]]:
        """The prompts of the source and of every target. Raises :class:`InputError` where they were not said."""
        return wanted.captions(type(self).__name__)

    def fitted(self, flow: Flow, image: Image.Image) -> Image.Image:
        """``image`` at the size that it is edited at; by default scaled down to the model's area, in proportion."""
        return fitted(image, flow.side**2, flow.multiple)

    def encode(self, flow: Flow, image: Image.Image) -> Tensor:
        """The latents that the method works on, of an image that :meth:`fitted` returned."""
        return flow.encode(image)

    def decode(self, flow: Flow, latents: Tensor, size: tuple[int, int]) -> Image.Image:
        """One edit ``[1, C, h, w]`` as an image of the ``size`` that was encoded."""
        return flow.decode(latents, size)

    def prepare(self, source: Source) -> Steps:
        """Whatever :meth:`edit` needs and does not depend on the targets."""
        return None
        yield

    def edit(self, source: Source, prepared: Any, targets: Targets) -> Steps:
        """The edited latents ``[targets, C, h, w]``."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it edits")

    def __call__(
        self,
        flow: Flow,
        latents: Tensor,
        *,
        source: Condition,
        target: Condition | Sequence[Condition],
        noise: Noise | None = None,
        grag: Sequence[GRAG | None] | None = None,
    ) -> Tensor:
        """Edit ``latents`` ``[1, C, h, w]`` towards every ``target``; returns ``[targets, C, h, w]``, float32.

        Args:
            source: the prompt that describes the latents, one row.
            target: the prompts of the edits; all share one source, in one batch.
            noise: a generator, or tensors shaped like ``latents`` that are used in draw order.
            grag: a strength for each target, in place of the method's own.

        Raises :class:`InputError` for input of the wrong shape.
        """
        return drained(self.iterate(flow, latents, source=source, target=target, noise=noise, grag=grag))

    def iterate(self, flow, latents, *, source, target, noise=None, grag=None) -> Steps:
        """:meth:`__call__`, yielding :class:`Progress` after every step."""
        self.check_model(flow)
        if latents.ndim != 4 or len(latents) != 1 or len(source) != 1:
            raise InputError(f"a method edits one source [1, C, h, w] with one prompt, not {list(latents.shape)}.")
        latents = latents.to(flow.device, torch.float32)
        targets = self._targets(target, grag)
        job = self.source(flow, latents, source, noise)
        prepared = yield from self.prepare(job)
        edited, chunks = [], list(self._chunks(job, targets))
        for index, chunk in enumerate(chunks):
            edited.append((yield from _part(self.edit(job, prepared, chunk), index, len(chunks))))
        return torch.cat(edited)

    def source(self, flow: Flow, latents: Tensor, condition: Condition, noise: Noise | None) -> Source:
        """The job's source. Everything is encoded here, before the transformer has to be in memory."""
        length = condition.embeds.shape[1]
        negative = flow.condition(self.negative_prompt, length) if self.true_cfg != 1 else None
        return Source(flow, latents, condition, draws(noise, latents), negative)

    def guided(self, source: Source, targets: Targets, guidance: Sequence[float], with_source: bool) -> GuidedVelocity:
        """The velocity of the targets' rows, with the source as row 0 where ``with_source``.

        ``guidance`` has a distilled guidance scale for each row; ``true_cfg`` acts on the targets' rows.
        """
        head = [source.condition] if with_source else []
        scales = (1.0,) * len(head) + (float(self.true_cfg),) * len(targets)
        condition = Condition.cat([*head, targets.condition])
        return GuidedVelocity(source.flow, condition, tuple(guidance), scales, source.negative)

    def _targets(self, target, grag) -> Targets:
        if not len(target):
            raise InputError("no target was given; give at least one condition.")
        condition = target if isinstance(target, Condition) else Condition.cat(list(target))
        own = getattr(self, "grag", None)
        strengths = (own,) * len(condition) if grag is None else tuple(GRAG.of(value) for value in grag)
        if len(strengths) != len(condition):
            raise InputError(f"{len(strengths)} strengths were given for {len(condition)} targets; give one each.")
        if any(strengths) and not hasattr(self, "grag"):
            raise InputError(f"{type(self).__name__} takes no grag: it has no attention call where source keys enter.")
        return Targets(condition, strengths)

    def _chunks(self, source: Source, targets: Targets) -> Iterator[Targets]:
        """The targets in batches that fit the flow's memory budget beside one source row."""
        rows = rows_that_fit(source.flow, source.layout) - 1
        size = max(1, rows // (1 if self.true_cfg == 1 else 2))
        for start in range(0, len(targets), size):
            yield targets[start : start + size]


def _part(steps: Steps, index: int, count: int) -> Steps:
    """``steps`` as part ``index`` of ``count``, so that progress runs once from start to end."""
    while True:
        try:
            made = next(steps)
        except StopIteration as done:
            return done.value
        yield Progress(made.stage, index * made.steps + made.step, count * made.steps, made.latents)


def drained(steps: Steps, on_progress: OnProgress | None = None) -> Any:
    """What the generator returns, after every :class:`Progress` has gone to ``on_progress``."""
    while True:
        try:
            progress = next(steps)
        except StopIteration as done:
            return done.value
        if on_progress:
            on_progress(progress)


def draws(noise: Noise | None, like: Tensor) -> Iterator[Tensor]:
    """Standard normal tensors shaped and placed like ``like``, from a generator or from what is given, in order."""
    if isinstance(noise, torch.Generator):
        while True:
            yield torch.randn(like.shape, generator=noise, device=noise.device).to(like)
    for tensor in () if noise is None else noise:
        if tensor.shape != like.shape:
            raise InputError(f"noise must be shaped like the latents, {list(like.shape)}, not {list(tensor.shape)}.")
        yield tensor.to(like)
    raise InputError("the method needs (more) noise; give a torch.Generator or enough tensors.")
