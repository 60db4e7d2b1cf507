"""A method, a metric and benchmarks for tests of the runner, named in configs by their address."""

import os
import signal
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from flowedit_grag.experiments.datasets import Benchmark, Dataset, dataset
from flowedit_grag.experiments.executors import EXECUTORS
from flowedit_grag.experiments.folder import begin
from flowedit_grag.methods.frame import Frame
from flowedit_grag.methods.sdedit import SDEdit
from flowedit_grag.methods.stableflow_plus import StableFlowPlus
from flowedit_grag.metrics import Missing


@dataclass(frozen=True, kw_only=True)
class Traced(SDEdit):
    """One step of SDEdit. Writes a line into ``log`` for every edit it begins.

    While there is a file ``poison``, edits towards what it says fail; one ``bomb`` kills the process, once; one
    ``mine`` kills it at every edit towards what it says.
    """

    steps: int = 1
    log: str
    poison: str = ""
    bomb: str = ""
    mine: str = ""

    def frame(self):
        return TracedFrame("Traced", self)

    def trace(self, target):
        _trace(self, f"{self.start} {target}", target)
        if self.bomb and Path(self.bomb).exists():
            Path(self.bomb).unlink()
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class TracedFlow(StableFlowPlus):
    """Two steps of StableFlow+, with ``log``, ``poison`` and ``mine`` as there: a line for every batch of edits."""

    steps: int = 2
    log: str
    poison: str = ""
    mine: str = ""

    def frame(self):
        return TracedFrame("TracedFlow", self)

    def trace(self, target):
        _trace(self, f"group {target}", target)


@dataclass(frozen=True)
class TracedFrame(Frame):
    """Whose method is told of every batch of edits, when it is about to begin."""

    method: Any

    def prompts(self, source, targets, instructions):
        (target,) = targets
        self.method.trace(target)
        return super().prompts(source, targets, instructions)


def _trace(method, line, target):
    with open(method.log, "a") as file:
        file.write(f"{os.getpid()} {line}\n")
    if method.poison and Path(method.poison).exists() and target == Path(method.poison).read_text():
        raise RuntimeError("poisoned")
    if method.mine and target == Path(method.mine).read_text():
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class Failing(SDEdit):
    """Fails at everything."""

    log: str = ""

    def prepare(self, source):
        yield from ()
        raise RuntimeError("it never works")


@dataclass(frozen=True)
class Absent:
    """A metric that never has a number."""

    name: ClassVar = "absent"
    higher_is_better: ClassVar = True
    source: ClassVar = "this test"
    variant: ClassVar = ""

    def __call__(self, pictures):
        return Missing("no weights")


@dataclass(frozen=True, kw_only=True)
class Deadly(Absent):
    """A metric that kills its process at every edit towards what the file ``mine`` says."""

    mine: str

    def __call__(self, pictures):
        if pictures.target_prompt == Path(self.mine).read_text():
            os.kill(os.getpid(), signal.SIGKILL)
        return 1.0


@dataclass(frozen=True, kw_only=True)
class Session(Benchmark):
    """Two problems of the lab, the second on the result of the first."""

    def open(self):
        first, second = dataset("lab", per_task=1)[:2]
        return Dataset("session", (first, replace(second, previous=first.id, turn=2)))


@dataclass(frozen=True, kw_only=True)
class Sessions(Benchmark):
    """Two sessions of two problems each."""

    def open(self):
        a, b, c, d = dataset("lab", per_task=1)[:4]
        turns = (a, replace(b, previous=a.id, turn=2), c, replace(d, previous=c.id, turn=2))
        return Dataset("sessions", turns)


@dataclass(frozen=True, kw_only=True)
class OtherSizes(Session):
    """The same with masks twice as large: the second's was drawn on somebody else's result of the first."""

    def open(self):
        found = super().open()
        return replace(found, samples=tuple(replace(one, mask=partial(_twice, one.mask)) for one in found))


def _twice(mask):
    return mask().repeat(2, 0).repeat(2, 1)


@dataclass(frozen=True, kw_only=True)
class Partial(Benchmark):
    """Eight problems of the lab, and two that cannot be used."""

    def open(self):
        return replace(dataset("lab", per_task=1), left_out=(("x", "no caption"), ("y", "no caption")))


@dataclass(frozen=True, kw_only=True)
class Broken(Benchmark):
    """Two problems: one whose mask cannot be read, one whose picture cannot."""

    def open(self):
        first, second = dataset("lab", per_task=1)[:2]
        return Dataset("broken", (replace(first, mask=_broken), replace(second, image=_broken)))


def _broken():
    raise OSError("this file is damaged")


def nothing(job, workers, on_progress):
    """An executor that is stopped before it begins."""


def interrupted(job, workers, on_progress):
    """An executor that works while somebody else begins with one sample only."""
    begin(replace(job, items=job.items[:1], limit=1))
    EXECUTORS["serial"](job, workers, on_progress)


def silent(instruction, original, first, second):
    """A judge that is off."""
    raise RuntimeError("no power")


@dataclass(frozen=True, kw_only=True)
class Telling(SDEdit):
    """Fails, telling its option in so many words."""

    word: str

    def prepare(self, source):
        yield from ()
        raise RuntimeError(f"there is no {self.word}: {'!' * 10**5}")
