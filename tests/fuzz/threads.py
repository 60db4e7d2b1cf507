"""Eight threads with an editor each, on one model: their pictures are those of one after the other, bit for bit."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .edits import alone, check, check_processors, edit, some

TRIALS = 25  # of eight edits


def trial(rng: random.Random, folder: Path) -> None:
    jobs = [some(rng) for _ in range(8)]
    for job in jobs:
        alone(*job)
    with ThreadPoolExecutor(len(jobs)) as pool:
        made = list(pool.map(lambda job: edit(*job), jobs))
    for one, job in zip(made, jobs, strict=True):
        check(one, *job)
    check_processors()
