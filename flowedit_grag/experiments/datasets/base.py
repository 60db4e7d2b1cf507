"""What a benchmark is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ...options import check_options
from ..samples import Dataset


@dataclass(frozen=True, kw_only=True)
class Benchmark(ABC):
    """A frozen dataclass: its fields are its options (and so its keys in a config), checked against their types."""

    def __post_init__(self):
        check_options(self)

    @abstractmethod
    def open(self) -> Dataset:
        """The samples. Raises :class:`InputError` for what can be seen to be wrong before anything is edited."""
