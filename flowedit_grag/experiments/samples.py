"""Editing problems as benchmarks pose them, and sequences of them."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError
from ..hidden import masked
from ..lab.tasks import EditingProblem
from ..options import check_options

LONGEST_ID = 120  # bytes: a file system's 255, less what is put before and behind
UNSAFE = re.compile(r'[\x00-\x1f\x7f\ud800-\udfff<>:"/\\|?*]|^[. ]|[. ]$')  # in names of files, on any system


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One editing problem. Its pictures are functions, so that it costs nothing until they are called; all of it can
    be pickled. What a benchmark does not give is ``None``.

    ``content`` is a text that says exactly what image, mask and truth show, for benchmarks that draw them: it stands
    for their pixels in the keys of a run, which can then be planned without drawing anything.
    """

    id: str  # unique in its dataset, the same whenever it is opened, and safe as the name of a file
    image: Callable[[], Image.Image]  # RGB
    source_prompt: str | None = None
    target_prompt: str | None = None
    instruction: str | None = None
    mask: Callable[[], np.ndarray] | None = None  # [H, W] bool, as large as the image: where it may change
    truth: Callable[[], Image.Image] | None = None  # the right answer, RGB
    task: str = ""
    turn: int = 1  # place in a session of edits
    previous: str | None = None  # id of the sample whose result is edited, in place of ``image``
    edit: EditingProblem | None = None  # the lab's problem, for its oracle
    content: str | None = None


@dataclass(frozen=True)
class Dataset(Sequence):
    """Samples in order, every turn after its previous one.

    ``left_out`` has ``(id, reason)`` of what the benchmark lists and cannot be used. Raises :class:`InputError` if
    there are no samples, or one with an unsafe id, an id seen before, nothing to do, or a previous turn that is not.
    """

    name: str
    samples: tuple[Sample, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    def __post_init__(self):
        if not self.samples:
            raise InputError(f"{self.name} has no samples that can be used ({len(self.left_out)} left out).")
        seen: dict[str, str] = {}
        for sample in self.samples:
            check_id(sample.id, self.name)
            if (same := seen.get(_file(sample.id))) is not None:
                raise InputError(f"{self.name} has the id {same!r} twice, the second time as {sample.id!r}.")
            if not (sample.target_prompt or sample.instruction):
                raise InputError(f"{self.name}, id {sample.id!r}: there is neither a target prompt nor an instruction.")
            if sample.previous is not None and _file(sample.previous) not in seen:
                raise InputError(f"{self.name}, id {sample.id!r}: there is no {sample.previous!r} before it.")
            seen[_file(sample.id)] = sample.id

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:  # a slice gives a tuple
        return self.samples[index]

    @property
    def reasons(self) -> dict[str, int]:
        """Why samples are left out, and how many for each reason."""
        return dict(Counter(masked(reason) for _, reason in self.left_out))


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What samples come from. A frozen dataclass: its fields are its options (and so its keys in a config), checked
    against their types."""

    def __post_init__(self) -> None:
        check_options(self)

    def open(self) -> Dataset:
        """The samples. Raises :class:`InputError` for what can be seen to be wrong before anything is edited."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its samples are")


def check_id(id: str, where: str) -> None:
    """Raise :class:`InputError` unless ``id`` is a safe file name: results are stored under it."""
    if not id or UNSAFE.search(id) or len(id.encode(errors="replace")) > LONGEST_ID:
        raise InputError(f"{where} has the id {id!r}, which cannot be the name of a file.")


def _file(id: str) -> str:
    """The same for ids that some file systems take for one: letter case and stored form of accents do not count."""
    return unicodedata.normalize("NFC", id).casefold()


def noise_seed(seed: int, id: str) -> int:
    """The seed of a sample's noise: of the run's seed and the sample's id, and of nothing else."""
    return int.from_bytes(hashlib.sha256(f"{seed} {id}".encode()).digest()[:8]) >> 1  # generators take 63 bits
