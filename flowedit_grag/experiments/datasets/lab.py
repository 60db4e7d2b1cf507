"""The lab's editing problems, drawn when asked for."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

from PIL import Image

from ...errors import InputError, unknown
from ...lab import world
from ...lab.render import render
from ...lab.scene import Scene
from ...lab.splits import problems
from ...lab.tasks import TASKS
from ..samples import Benchmark, Dataset, Sample

# What captions can tell apart: problems beyond these differ in nuisance detail only.
MOST = len(world.BACKGROUNDS) * math.prod(map(len, world.ATTRIBUTES.values()))


@dataclass(frozen=True, kw_only=True)
class Lab(Benchmark):
    """``per_task`` problems of each of ``tasks``, by default of all. Whatever is chosen is chosen on the split
    ``validation``; ``test`` is looked at only to fill a published table."""

    split: Literal["validation", "test"] = "validation"
    per_task: int = 25
    tasks: tuple[str, ...] = TASKS

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.per_task <= MOST:
            raise InputError(
                f"per_task must be from 1 to {MOST}, as many as there are scenes of one item, not {self.per_task}."
            )
        for task in self.tasks:
            if task not in TASKS:
                raise unknown("task", task, TASKS)
        if len(set(self.tasks)) < len(self.tasks) or not self.tasks:
            raise InputError(f"tasks must name at least one task, and each once, not {list(self.tasks)}.")

    def open(self) -> Dataset:
        """The tasks take turns, so that the first few samples are of every kind."""
        edits = problems(self.split, self.per_task, self.tasks)
        samples = (
            Sample(
                id=f"{self.split}-{edit.task}-{index:03d}",
                image=partial(_drawn, edit.source),
                source_prompt=edit.source_prompt,
                target_prompt=edit.target_prompt,
                instruction=edit.instruction,
                mask=edit.mask,
                truth=partial(_drawn, edit.target),
                task=edit.task,
                edit=edit,
                content=repr(edit),
            )
            for index in range(self.per_task)
            for edit in edits[index :: self.per_task]
        )
        return Dataset(f"lab ({self.split})", tuple(samples))


def _drawn(scene: Scene) -> Image.Image:
    return Image.fromarray(render(scene))
