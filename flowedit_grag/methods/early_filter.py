"""Inference-time scaling (ICEdit, arXiv:2504.20690, §3.3): short previews of several seeds; a judge picks one."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..backbone.flow import Condition
from ..backbone.image_flow import ImageFlow
from ..backbone.profile import Profile
from ..errors import InputError
from ..hidden import address, shown
from ..judges import judge
from ..judges.selection import Selection, contact_sheet, select
from ..options import check_options
from ..progress import Progress
from ..seeds import generator
from .base import Method
from .diptych import DiptychMethod
from .frame import EditRequest, frame_of
from .inputs import Source, Steps, Targets, draws, subprogress

JUDGE = "vlm:Qwen/Qwen2.5-VL-7B-Instruct"
RECORDED = ("steps", "one_batch", "both_orders", "resume")


@dataclass(frozen=True, kw_only=True)
class EarlyFilter:
    """Settings of the filter. M seeds, m steps and a method of n steps cost n + M m evaluations, as in the paper; twice
    that under true guidance, and what the method itself needs to begin with (``icedit-t2i`` inverts) besides.

    Attributes:
        seeds: M, counted up from the edit's own seed.
        steps: m, of a preview.
        judge: says which of two previews is better: a name (``lab``, ``lab-clip``, ``clip``, ``vlm:MODEL``,
            ``openai:MODEL@URL``) or a function ``(instruction, original, first, second) -> Verdict``. It sees
            previews at the size of a panel. By default the one of the model's profile (the lab's have their oracle),
            or else :data:`JUDGE`.
        one_batch: previews share batches, as many as fit into memory; otherwise one seed after the other.
        both_orders: ask twice with the pictures swapped; where the answers disagree the champion stays.
        resume: previews are the first m steps of the full schedule, shown as where they are heading, and the winner
            goes on from there: n + (M - 1) m evaluations.
        keep_record: keep the previews as a contact sheet.

    Raises :class:`InputError` for settings that cannot be used.
    """

    seeds: int = 6
    steps: int = 10
    judge: Any = None
    one_batch: bool = True
    both_orders: bool = False
    resume: bool = False
    keep_record: bool = False

    def __post_init__(self):
        check_options(self)
        if not 1 <= self.seeds <= 1000 or self.steps < 1:
            given = f"{self.seeds} and {self.steps}"
            raise InputError(f"an early filter needs seeds and steps from 1 on, and up to 1000 seeds, not {given}.")
        if isinstance(self.judge, str):
            object.__setattr__(self, "judge", address(self.judge))
        if self.judge is not None:
            judge(self.judge)

    def suited(self, profile: Profile) -> "EarlyFilter":
        """With the judge that suits a model, where none was chosen."""
        if self.judge is not None:
            return self
        return replace(self, **{"judge": JUDGE, **profile.for_method("early_filter", {"judge"})})

    def check(self, method: Method, request: EditRequest | None = None) -> None:
        """Raise :class:`InputError` unless ``method`` can be filtered, and the ``request`` is for one edit."""
        if request and (len(request.instructions) > 1 or len(request.target_prompts) > 1):
            raise InputError("an early filter works on one instruction; give it alone.")
        if not isinstance(method, DiptychMethod):
            raise InputError(f"an early filter works with icedit and icedit-t2i, not with {type(method).__name__}.")
        if request and frame_of(method).takes_captions and not request.instructions:
            raise InputError("an early filter's judge goes by an instruction; give one beside the captions.")
        if self.resume and self.steps > method.steps:
            raise InputError(f"previews of {self.steps} steps cannot be resumed by an edit of {method.steps}.")

    def iterate(
        self, method: DiptychMethod, flow: ImageFlow, latents: Tensor, *, source: Condition, target: Condition,
        seed: int, instruction: str, shown: Image.Image,
    ) -> Steps:  # fmt: skip
        """Edit towards one target from the best of the seeds, yielding :class:`Progress`.

        ``shown`` is the source as the judge sees it; previews have its size.

        Returns the edit's latents, as :meth:`Method.__call__` does, and a :class:`Filtered`. Raises
        :class:`InputError` for a judge that cannot be made ready, before anything is sampled.
        """
        chosen = self.suited(flow.profile)
        chosen_judge = judge(chosen.judge)
        getattr(chosen_judge, "prepare", lambda: None)()
        seeds = tuple(range(seed, seed + self.seeds))
        first = method.source(flow, latents, source, generator(seeds[0]))
        jobs = [first, *(replace(first, noise=draws(generator(number), latents)) for number in seeds[1:])]
        targets = method.targets(target)
        context = yield from method.context(first)
        noise = torch.cat([method.start(job, context) for job in jobs])
        schedule = flow.schedule(method.steps, noise)
        early = schedule[: self.steps + 1] if self.resume else flow.schedule(self.steps, noise)
        states, clean = yield from self._previews(method, first, context, noise, targets, early)
        previews = [frame_of(method).decode(flow, row[None], shown) for row in clean]
        selection = select(instruction, shown, previews, chosen_judge, both_orders=self.both_orders)
        if selection.undecided - selection.ties == len(seeds) - 1 > 0:
            why = selection.comparisons[0].reason
            warnings.warn(
                f"the judge decided nothing ({why}); the first of {len(seeds)} seeds was taken.", stacklevel=2
            )
        best = slice(selection.winner, selection.winner + 1)
        x, sigmas = (states[best], schedule[self.steps :]) if self.resume else (noise[best], schedule)
        edit = yield from method.sample(first, context, x, targets, sigmas)
        kept = tuple(previews) if self.keep_record else ()
        return edit, Filtered(selection.winner, selection.comparisons, chosen, seeds, kept)

    def _previews(
        self, method: DiptychMethod, job: Source, context: Any, noise: Tensor, targets: Targets, sigmas: list[float]
    ) -> Steps:
        """Where ``noise`` ``[M, C, h, w]`` is at the last of ``sigmas``, and the results it is heading to."""
        size = method.targets_at_once(job) if self.one_batch else 1
        ends: list[Progress] = []
        batches = noise.split(size)
        for index, rows in enumerate(batches):
            many = Targets(targets.condition[[0] * len(rows)], targets.controls * len(rows))
            for made in subprogress(method.sample(job, context, rows, many, sigmas), index, len(batches)):
                yield replace(made, stage="preview")
            ends.append(made)
        return torch.cat([end.latents for end in ends]), torch.cat([end.clean for end in ends])


@dataclass(frozen=True)
class Filtered(Selection):
    """What an :class:`EarlyFilter` did.

    Attributes:
        seeds: what was tried.
        previews: one for each seed, where the filter keeps a record.
    """

    filter: EarlyFilter
    seeds: tuple[int, ...]
    previews: tuple[Image.Image, ...] = ()

    @property
    def seed(self) -> int:
        """The winner."""
        return self.seeds[self.winner]

    def record(self) -> dict[str, Any]:
        """Settings, every comparison and its answer, as plain types."""
        judge = self.filter.judge
        name = shown(judge) if isinstance(judge, str) else getattr(judge, "__qualname__", type(judge).__qualname__)
        settings = {name: getattr(self.filter, name) for name in RECORDED}
        return {"judge": name, **settings, "seeds": list(self.seeds), "seed": self.seed, **super().record()}

    def contact_sheet(self, source: Image.Image) -> Image.Image:
        """All previews beside the source, the winner marked. Raises :class:`InputError` where none were kept."""
        if not self.previews:
            raise InputError("the previews were not kept; ask for them with EarlyFilter(keep_record=True).")
        labels = [f"seed {seed}" for seed in self.seeds]
        return contact_sheet(source, self.previews, labels, self.winner)
