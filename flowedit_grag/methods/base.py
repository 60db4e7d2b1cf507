"""What a method is: a frozen dataclass whose fields are its options, with two generators that do the work."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from ..backbone.condition import Condition
from ..backbone.flow import Flow
from ..backbone.image import fitted, resized
from ..backbone.memory import rows_that_fit
from ..backbone.tokens import TokenLayout
from ..errors import InputError
from ..guidance.classifier_free import GuidedVelocity
from ..guidance.control import Control
from ..guidance.grag import GRAG
from ..injection.hook import check_layers
from ..options import check_options
from .inputs import Noise, Source, Steps, Targets, draws, run_to_end, subprogress
from .request import EditRequest

LAYERS = ("vital_layers", "value_layers")  # options that name attention layers


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
    source_beside: ClassVar[bool] = True  # whether a batch of edits has the source as a row of its own

    def __post_init__(self):
        check_options(self)
        if getattr(self, "grag", None) is not None and getattr(self, "dial", None) is not None:
            raise InputError("grag, or a sweep of it, and dial turn the same thing; give one of them.")

    @property
    def own_control(self) -> Control | None:
        """The dial of every target that is given none of its own."""
        return getattr(self, "dial", None) or getattr(self, "grag", None)

    def check_model(self, flow: Flow) -> None:
        """Raise :class:`InputError` unless ``flow`` is of the kind that the method works with, and has its layers."""
        if flow.fills != self.fills:
            kinds = {True: "a Fill model, such as FLUX.1-Fill-dev", False: "a text-to-image model, such as FLUX.1-dev"}
            name = flow.name or "this model"
            raise InputError(f"{type(self).__name__} needs {kinds[self.fills]}; {name} is {kinds[flow.fills]}.")
        for option in LAYERS:
            check_layers(getattr(self, option, None) or (), flow.layers)

    def prompts(self, request: EditRequest) -> tuple[str, list[str]]:
        """The prompts of the source and of every target. Raises :class:`InputError` where they were not said."""
        return request.captions(type(self).__name__)

    def size(self, flow: Flow, size: tuple[int, int]) -> tuple[int, int]:
        """At which (width, height) an image of ``size`` is edited: by default no more than the model's area."""
        return fitted(size, flow.side**2, flow.multiple)

    def encode(self, flow: Flow, image: Image.Image) -> Tensor:
        """The latents that the method works on, of an image that already has its :meth:`size`."""
        return flow.encode(image)

    def decode(self, flow: Flow, latents: Tensor, original: Image.Image) -> Image.Image:
        """One edit ``[1, C, h, w]`` as an image, pixel for pixel aligned with the ``original``."""
        return resized(flow.decode(latents, self.size(flow, original.size)), original.size)

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
        grag: Sequence[Control | float | None] | None = None,
    ) -> Tensor:
        """Edit ``latents`` ``[1, C, h, w]`` towards every ``target``; returns ``[targets, C, h, w]``, float32.

        Args:
            source: the prompt that describes the latents, one row.
            target: the prompts of the edits; all share one source, in one batch.
            noise: a generator, or tensors shaped like ``latents`` that are used in draw order.
            grag: a strength for each target, in place of the method's own: a :class:`Control`, or what GRAG is made of.

        Raises :class:`InputError` for input of the wrong shape.
        """
        return run_to_end(self.iterate(flow, latents, source=source, target=target, noise=noise, grag=grag))

    def iterate(self, flow, latents, *, source, target, noise=None, grag=None) -> Steps:
        """:meth:`__call__`, yielding :class:`Progress` after every step."""
        self.check_model(flow)
        if latents.ndim != 4 or len(latents) != 1 or len(source) != 1:
            raise InputError(f"a method edits one source [1, C, h, w] with one prompt, not {list(latents.shape)}.")
        latents = latents.to(flow.device, torch.float32)
        targets = self.targets(target, grag)
        job = self.source(flow, latents, source, noise)
        prepared = yield from self.prepare(job)
        edited, chunks = [], list(self._chunks(job, targets))
        for index, chunk in enumerate(chunks):
            edited.append((yield from subprogress(self.edit(job, prepared, chunk), index, len(chunks))))
        return torch.cat(edited)

    def source(self, flow: Flow, latents: Tensor, condition: Condition, noise: Noise | None) -> Source:
        """The job's source. Everything is encoded here, before the transformer has to be in memory."""
        length = condition.embeds.shape[1]
        negative = flow.condition(self.negative_prompt, length) if self.true_cfg != 1 else None
        return Source(flow, latents, condition, draws(noise, latents), negative)

    def canvas(self, source: Source) -> TokenLayout:
        """The tokens of what :meth:`edit` works on."""
        return source.layout

    def guided(self, source: Source, targets: Targets, guidance: Sequence[float], with_source: bool) -> GuidedVelocity:
        """The velocity of the targets' rows, with the source as row 0 where ``with_source``.

        ``guidance`` has a distilled guidance scale for each row; ``true_cfg`` acts on the targets' rows.
        """
        head = [source.condition] if with_source else []
        scales = (1.0,) * len(head) + (float(self.true_cfg),) * len(targets)
        condition = Condition.cat([*head, targets.condition])
        return GuidedVelocity(source.flow, condition, tuple(guidance), scales, source.negative)

    def targets(self, target: Condition | Sequence[Condition], grag: Sequence[Any] | None = None) -> Targets:
        """The targets with a strength each, ``grag``'s or else the method's own. Raises :class:`InputError`."""
        if not len(target):
            raise InputError("no target was given; give at least one condition.")
        condition = target if isinstance(target, Condition) else Condition.cat(list(target))
        own = (self.own_control,) * len(condition)
        dials = own if grag is None else tuple(_control(one) for one in grag)
        if len(dials) != len(condition):
            raise InputError(f"{len(dials)} strengths were given for {len(condition)} targets; give one each.")
        if any(dials) and not hasattr(self, "grag"):
            raise InputError(f"{type(self).__name__} takes no grag: it has no attention call where source keys enter.")
        return Targets(condition, dials)

    def targets_at_once(self, source: Source) -> int:
        """How many targets fit into the memory budget, beside the source's row where there is one; at least 1."""
        rows = rows_that_fit(source.flow, self.canvas(source)) - self.source_beside
        return max(1, rows // (1 if self.true_cfg == 1 else 2))

    def _chunks(self, source: Source, targets: Targets) -> Iterator[Targets]:
        """The targets in batches that fit the flow's memory budget."""
        size = self.targets_at_once(source)
        for start in range(0, len(targets), size):
            yield targets[start : start + size]


def _control(strength: Any) -> Control | None:
    return strength if strength is None or isinstance(strength, Control) else GRAG.of(strength)
