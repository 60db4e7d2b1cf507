"""The lab's problems in splits: settings, layers, training lengths and everything else are chosen on ``validation``;
``test`` is looked at only to fill a published table. Neither shares a random stream with the training scenes.
"""

import numpy as np

from .scene import Scene, sample_scene
from .tasks import TASKS, EditingProblem, sample_edit

SPLITS = {"validation": (5_000_011, 3_000_017), "test": (6_000_037,)}  # streams, of which problems are drawn in turns


def scenes(split: str, count: int) -> list[Scene]:
    """The first ``count`` scenes of a split: one item each, every third has two."""
    return [sample_scene(_rng(split, index, 0), items=2 if index % 3 == 2 else 1) for index in range(count)]


def problems(split: str, per_task: int, tasks: tuple[str, ...] = TASKS) -> list[EditingProblem]:
    """The first ``per_task`` editing problems of each of ``tasks``, task by task."""
    return [
        sample_edit(_rng(split, index, 1, TASKS.index(task)), task) for task in tasks for index in range(per_task)
    ]  # fmt: skip


def _rng(split: str, index: int, *stream: int) -> np.random.Generator:
    streams = SPLITS[split]
    return np.random.default_rng((streams[index % len(streams)], *stream, index // len(streams)))
