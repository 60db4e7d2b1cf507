"""What a method is: a frozen dataclass whose fields are its options, with two generators that do the work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..backbone.attention_hook import check_layers
from ..backbone.flow import Condition, Flow, TokenLayout
from ..errors import InputError
from ..guidance.classifier_free import GuidedVelocity
from ..guidance.control import Control
from ..guidance.grag import GRAG
from ..options import check_options
from .inputs import Noise, Source, Steps, Targets, draws, run_to_end, subprogress

KINDS = {True: "a Fill model, such as FLUX.1-Fill-dev", False: "a text-to-image model, such as FLUX.1-dev"}


@dataclass(frozen=True, kw_only=True)
class Method:
    """An editing method. Its fields are its options.

    A method of your own implements :meth:`prepare` (what depends on the source only, done once) and :meth:`edit`
    (one batch of edits), both generators that yield :class:`Progress`.

    Attributes:
        true_cfg: scale of true classifier-free guidance on the targets; 1 is off.
        negative_prompt: what it guides away from.
        control: strength of the edits, where source features enter; people write ``grag`` or ``dial``.
    """

    true_cfg: float = 1.0
    negative_prompt: str = ""
    control: Control | None = None
    fills: ClassVar[bool] = False  # whether it needs a Fill model
    source_beside: ClassVar[bool] = True  # whether a batch of edits has the source as a row of its own
    takes_control: ClassVar[bool] = False  # whether source features enter attention anywhere

    def __post_init__(self):
        check_options(self)
        self._check_control(self.control)

    def frame(self) -> Any:
        """How an image and words become what it works on, where not as they are; see ``frame.py``."""
        return None

    def prepare(self, source: Source) -> Steps:
        """Whatever :meth:`edit` needs and does not depend on the targets."""
        yield from ()

    def edit(self, source: Source, prepared: Any, targets: Targets) -> Steps:
        """The edited latents ``[targets, C, h, w]``."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it edits")

    def __call__(self, flow: Flow, latents: Tensor, **job: Any) -> Tensor:
        """What :meth:`iterate` returns."""
        return run_to_end(self.iterate(flow, latents, **job))

    def iterate(
        self, flow: Flow, latents: Tensor, *, source: Condition, target: Condition | Sequence[Condition],
        noise: Noise | None = None, grag: Sequence[Any] | None = None, prepare: Callable[[Source], Steps] | None = None,
    ) -> Steps:  # fmt: skip
        """Edit ``latents`` ``[1, C, h, w]`` towards every ``target``, yielding :class:`Progress` after every step.

        Args:
            source: the prompt that describes the latents, one row.
            target: the prompts of the edits; all share one source, in one batch.
            noise: a generator, or tensors shaped like ``latents`` that are used in draw order.
            grag: a strength for each target, in place of the method's own: a control, or what GRAG is made of.
            prepare: in place of :meth:`prepare`, for those who keep what it returns.

        Returns ``[targets, C, h, w]``, float32. Raises :class:`InputError` for input of the wrong shape.
        """
        self.check_model(flow)
        if latents.ndim != 4 or len(latents) != 1 or len(source) != 1:
            raise InputError(f"a method edits one source [1, C, h, w] with one prompt, not {list(latents.shape)}.")
        job = self.source(flow, latents.to(flow.device, torch.float32), source, noise)
        targets = self.targets(target, grag)
        prepared = yield from (prepare or self.prepare)(job)
        size = self.targets_at_once(job)
        edited, starts = [], range(0, len(targets), size)
        for index, start in enumerate(starts):
            batch = self.edit(job, prepared, targets[start : start + size])
            edited.append((yield from subprogress(batch, index, len(starts))))
        return torch.cat(edited)

    # ---- what its own methods are made of --------------------------------------------------------------------

    def source(self, flow: Flow, latents: Tensor, condition: Condition, noise: Noise | None) -> Source:
        """The job's source. Everything is encoded here, before the transformer has to be in memory."""
        negative = flow.condition(self.negative_prompt, condition.embeds.shape[1]) if self.true_cfg != 1 else None
        return Source(flow, latents, condition, draws(noise, latents), negative)

    def targets(self, target: Condition | Sequence[Condition], grag: Sequence[Any] | None = None) -> Targets:
        """The targets with a control each, ``grag``'s or else the method's own. Raises :class:`InputError`."""
        if not len(target):
            raise InputError("no target was given; give at least one condition.")
        condition = target if isinstance(target, Condition) else Condition.cat(list(target))
        own = [self.control] * len(condition) if grag is None else grag
        controls = tuple(one if one is None or isinstance(one, Control) else GRAG.of(one) for one in own)
        if len(controls) != len(condition):
            raise InputError(f"{len(controls)} strengths were given for {len(condition)} targets; give one each.")
        self._check_control(*controls)
        return Targets(condition, controls)

    def guided(self, source: Source, targets: Targets, guidance: Sequence[float], with_source: bool) -> GuidedVelocity:
        """The velocity of the targets' rows, with the source as row 0 where ``with_source``.

        ``guidance`` has a distilled guidance scale for each row; ``true_cfg`` acts on the targets' rows.
        """
        head = [source.condition] if with_source else []
        scales = (1.0,) * len(head) + (float(self.true_cfg),) * len(targets)
        condition = Condition.cat([*head, targets.condition])
        return GuidedVelocity(source.flow, condition, tuple(guidance), scales, source.negative)

    def canvas(self, source: Source) -> TokenLayout:
        """The tokens of what :meth:`edit` works on."""
        return source.layout

    def targets_at_once(self, source: Source) -> int:
        """How many targets fit into the memory budget, beside the source's row where there is one; at least 1."""
        rows = source.flow.rows_that_fit(self.canvas(source)) - self.source_beside
        return max(1, rows // (1 if self.true_cfg == 1 else 2))

    def check_model(self, flow: Flow) -> None:
        """Raise :class:`InputError` unless ``flow`` is of the kind that the method works with, and has its layers."""
        if flow.fills != self.fills:
            name = flow.name or "this model"
            raise InputError(f"{type(self).__name__} needs {KINDS[self.fills]}; {name} is {KINDS[flow.fills]}.")
        for option in ("vital_layers", "value_layers"):
            check_layers(getattr(self, option, None) or (), flow.layers)

    def _check_control(self, *controls: Control | None) -> None:
        if any(controls) and not self.takes_control:
            raise InputError(f"{type(self).__name__} takes no grag: no source keys enter its attention.")
