"""One edit after the other in one process: every one is what the first was, and memory does not grow."""

import random
from pathlib import Path

from .edits import METHODS, check, edit

TRIALS = 500
WARM = 100  # edits until allocators have what they want
MOST = 16 * 2**20  # bytes that later edits may add
RESIDENT: list[int] = []


def trial(rng: random.Random, folder: Path) -> None:
    method = list(METHODS)[len(RESIDENT) % len(METHODS)]
    check(edit(method, 0), method, 0)
    with open("/proc/self/statm") as file:
        RESIDENT.append(int(file.read().split()[1]) * 4096)
    grown = RESIDENT[-1] - RESIDENT[min(WARM, len(RESIDENT)) - 1]
    assert grown < MOST, f"{grown / 2**20:.0f} MB more than after {WARM} edits"
