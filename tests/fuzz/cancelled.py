"""An edit is cancelled at some step and its exception kept: the next edit is what it is alone, bit for bit."""

import random
from pathlib import Path

from flowedit_grag import Cancelled

from .edits import alone, check, check_processors, edit, some

TRIALS = 100
KEPT: list[BaseException] = []


def trial(rng: random.Random, folder: Path) -> None:
    following, (method, number) = some(rng), some(rng)
    alone(*following)
    left = rng.randint(1, 4)

    def on_progress(progress) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise rng.choice([Cancelled, RuntimeError, KeyboardInterrupt])

    try:
        edit(method, number, on_progress)
    except (Cancelled, RuntimeError, KeyboardInterrupt) as error:
        KEPT.append(error)
    check_processors()
    check(edit(*following), *following)
