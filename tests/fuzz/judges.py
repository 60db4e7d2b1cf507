"""Judges' servers that answer anything at all: what they say is a verdict or undecided with a reason, soon, in little
memory, and nobody else is told."""

import random
import resource
import socket
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from PIL import Image

from flowedit_grag.errors import InputError
from flowedit_grag.judges.openai import OpenAIJudge

from .hostile_servers import KINDS, serve

TRIALS = 300
TIMEOUT = 0.4  # seconds
MOST = 20 * 2**20  # bytes of memory more than a good answer takes
LONGEST = 8.0  # seconds of a question, with a retry and what a busy machine adds
PICTURE = Image.new("RGB", (64, 64), "red")


def ask(kind: str, rng: random.Random, port: int) -> tuple[object, float, int]:
    """The verdict, seconds, and bytes of memory that were taken at most."""
    with serve(kind, rng, port) as server:
        judge = OpenAIJudge("m", f"http://127.0.0.1:{server.getsockname()[1]}/v1", timeout=TIMEOUT, retries=1)
        began, before = time.monotonic(), peak(afresh=True)
        verdict = judge("make it red", PICTURE, PICTURE, PICTURE)
        return verdict, time.monotonic() - began, peak() - before


def peak(afresh: bool = False) -> int:
    """Bytes of memory that this process took at most, ``afresh`` from now on where the system can."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if afresh:
        Path("/proc/self/clear_refs").write_text("5")
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@cache
def of_a_good_one() -> int:
    """Bytes that a good answer takes, when everything was imported."""
    taken = [ask("good", random.Random(0), 0)[2] for _ in range(4)]
    return max(taken[2:])


def trial(rng: random.Random, folder: Path) -> None:
    kind = rng.choice(list(KINDS))
    (folder / "kind.txt").write_text(kind)
    try_kind(kind, rng)


def try_kind(kind: str, rng: random.Random) -> None:
    """Ask a server of a ``kind``. Raises :class:`InputError` with the reason where it decides nothing."""
    allowed = MOST + of_a_good_one()
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        verdict, seconds, taken = ask(kind, rng, other.getsockname()[1])
        with suppress(BlockingIOError):
            other.accept()[0].close()
            raise AssertionError("another server was told")
    assert verdict.reason.isprintable(), verdict
    assert 0 < len(verdict.reason) <= 300, verdict
    assert seconds < LONGEST, f"{seconds:.1f} seconds"
    assert taken <= allowed, f"{taken / 2**20:.0f} MB"
    if verdict.winner is None:
        raise InputError(verdict.reason)
