"""One trial, and what came of it."""

import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType

from flowedit_grag.errors import InputError

LIMIT, PATIENCE = 10, 6  # seconds of work after which a trial hangs, and how many times as long it may wait
Trial = Callable[[random.Random, Path], None]


class Hung(BaseException):
    """Not an ``Exception``: whatever a trial is in must not take it for a failure of its own."""


@dataclass(frozen=True)
class Outcome:
    """``result`` is accepted, refused, failed or hung; ``place`` the exception's type and where it was raised."""

    result: str
    place: str = ""
    traceback: str = ""


def attempt(kind: str, seed: int, number: int, kept: Path | None = None) -> Outcome:
    """Make trial ``number`` of a kind. What fails or hangs is kept in the folder ``kept``, with its traceback."""
    trial: Trial = import_module(f".{kind}", __package__).trial
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{kind}-")).resolve()
    try:
        outcome = _tried(trial, random.Random(f"{seed}-{number}"), folder)
        if outcome.result in ("failed", "hung") and kept is not None:
            _keep(outcome, folder, kept / kind / f"{seed}-{number}")
        return outcome
    finally:
        _remove(folder)


def _tried(trial: Trial, rng: random.Random, folder: Path) -> Outcome:
    try:
        with chdir(folder), _limited(LIMIT):
            trial(rng, folder)
    except InputError:
        return Outcome("refused")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        result = "hung" if isinstance(error, Hung) else "failed"
        return Outcome(result, f"{type(error).__name__} at {_place(error)}", traceback.format_exc())
    return Outcome("accepted")


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    def over(_: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                start()  # a module that is half imported would fail at every trial after this
                return
            frame = frame.f_back
        raise Hung

    def start() -> int:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # this process' own time: the machine may be busy
        return signal.alarm(PATIENCE * seconds)

    before = [signal.signal(number, over) for number in (signal.SIGPROF, signal.SIGALRM)]
    left = start()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(left)  # of a test's own limit
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)


def _place(error: BaseException) -> str:
    """Where in the package ``error`` was raised, or else (a trial's own check) where in the trial."""
    frames = traceback.extract_tb(error.__traceback__, limit=-200)
    ours = [frame for frame in frames if "flowedit_grag" in Path(frame.filename).parts] or frames
    where = Path(ours[-1].filename)
    return f"{where.parent.name}/{where.name}:{ours[-1].lineno} {ours[-1].name}"


def _keep(outcome: Outcome, folder: Path, kept: Path) -> None:
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept, symlinks=True, ignore_dangling_symlinks=True)
    seed, number = kept.name.rsplit("-", 1)
    repeat = f"python -m tests.fuzz {kept.parent.name} --seed {seed} --first {number} --trials 1"
    (kept / "failure.txt").write_text(f"{repeat}\n{outcome.place}\n\n{outcome.traceback}", errors="replace")


def _remove(folder: Path) -> None:
    for path, folders, _ in os.walk(folder):
        for name in folders:
            with suppress(OSError):
                os.chmod(Path(path) / name, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        print(f"{folder} cannot be removed", file=sys.stderr)
