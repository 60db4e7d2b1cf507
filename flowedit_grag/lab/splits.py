"""The lab's problems in two splits: settings are chosen on one and results reported on the other. Neither shares a
random stream with the training scenes."""

import numpy as np

from .scene import Scene, sample_scene
from .tasks import TASKS, EditingProblem, sample_edit

SPLITS = {"validation": 5_000_011, "held-out": 3_000_017}


def scenes(split: str, count: int) -> list[Scene]:
    """The first ``count`` scenes of a split: one item each, every third has two."""
    return [_scene(split, index) for index in range(count)]


def problems(split: str, per_task: int, tasks: tuple[str, ...] = TASKS) -> list[EditingProblem]:
    """The first ``per_task`` editing problems of each of ``tasks``, task by task."""
    return [sample_edit(_rng(split, 1, TASKS.index(task), index), task) for task in tasks for index in range(per_task)]


def _scene(split: str, index: int) -> Scene:
    return sample_scene(_rng(split, 0, index), items=2 if index % 3 == 2 else 1)


def _rng(split: str, *stream: int) -> np.random.Generator:
    return np.random.default_rng((SPLITS[split], *stream))
