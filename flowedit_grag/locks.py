"""Who is working on what: locks that end with the process that holds them, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from .errors import InputError

DIGITS = 15  # of a key: a place in the file below 2**60
ALONE = 2**61  # the place that stands for the folder itself


class Locks:
    """A file of which every key locks one byte, far behind its end: nothing is ever written or deleted.

    These are POSIX record locks (``fcntl.lockf``) and not ``flock``, which a child process would inherit and keep
    after its parent was killed. They need a local file system, or a shared one with locks (NFS 4, Lustre and GPFS
    mounted with them). They are the process' own: open one of these for a folder in a process at a time.

    Raises :class:`InputError` where the file system has no locks.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.file = path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.file)

    @contextmanager
    def claimed(self, key: str) -> Iterator[bool]:
        """Try to claim ``key`` for the length of the block; yields whether nobody else has it."""
        place = int(key[:DIGITS], 16)
        if not self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB, place):
            yield False
            return
        try:
            yield True
        finally:
            self._lock(fcntl.LOCK_UN, place)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process is in such a block."""
        self._lock(fcntl.LOCK_EX, ALONE)
        try:
            yield
        finally:
            self._lock(fcntl.LOCK_UN, ALONE)

    def _lock(self, kind: int, place: int) -> bool:
        try:
            fcntl.lockf(self.file, kind, 1, place)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as the system likes
            return False
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be locked ({error.strerror}); put the run on a file system that has locks."
            ) from None
        return True
