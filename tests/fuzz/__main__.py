"""``python -m tests.fuzz KIND|all [--trials N] [--seed S] [--first I] [-o FOLDER]``: many trials of a kind of input."""

import argparse
import multiprocessing
import os
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from . import kinds, trials
from .attempt import LIMIT, PATIENCE, Outcome, attempt
from .counts import write

MEMORY = 5 * 2**30  # bytes of address space: what needs more fails in here, and not beside other people's work
BLOCK = 500  # trials in one process, which may die of one of them


def outcomes(kind: str, seed: int, numbers: range, kept: Path) -> Iterator[tuple[int, Outcome]]:
    """Trials in processes of their own: one that dies, or hangs where no signal reaches it, costs only itself."""
    while numbers:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        worker = multiprocessing.get_context("fork").Process(
            target=_work, args=(kind, seed, numbers[:BLOCK], kept, sender)
        )
        worker.start()
        sender.close()
        for number in (block := numbers[:BLOCK]):
            outcome = _received(receiver, worker, first=number == block[0])
            yield number, outcome
            numbers = numbers[1:]
            if not worker.is_alive() and outcome.place.startswith("process"):
                break
        worker.join()
        receiver.close()


def _received(receiver: Connection, worker: multiprocessing.Process, first: bool) -> Outcome:
    patience = 2 * PATIENCE * LIMIT + (300 if first else 0)  # with tidying up, and at first all imports
    try:
        if receiver.poll(patience):
            return receiver.recv()
        result, place = "hung", "process that had to be killed"
    except EOFError:
        worker.join()
        result, place = "failed", f"process that died ({worker.exitcode})"
    worker.kill()
    worker.join()
    return Outcome(result, place)


def _work(kind: str, seed: int, numbers: range, kept: Path, sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with open(os.devnull, "w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        for number in numbers:
            sender.send(attempt(kind, seed, number, kept))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kind", choices=[*kinds(), "all"])
    parser.add_argument("--trials", type=int, help="of each kind; by default what its file says")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("-o", "--output", type=Path, help="folder for fuzz.json with all counts, and fuzz.md")
    parser.add_argument("--kept", type=Path, default=Path("fuzz-failures"), help="folder for inputs that failed")
    asked = parser.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", OMP_NUM_THREADS="1")
    worst = 0
    for kind in kinds() if asked.kind == "all" else [asked.kind]:
        results, places = Counter(), Counter()
        numbers = range(asked.first, asked.first + (asked.trials or trials(kind)))
        for number, outcome in outcomes(kind, asked.seed, numbers, asked.kept.resolve()):
            results[outcome.result] += 1
            if outcome.place:
                places[outcome.place] += 1
                print(f"{kind}, trial {number}: {outcome.result}: {outcome.place}", flush=True)
        print(f"{kind}: {len(numbers)} trials of seed {asked.seed}: {dict(results)}")
        for place, count in places.most_common():
            print(f"    {count} {place}")
        if asked.output:
            write(asked.output, kind, asked.seed, results, places)
        worst = max(worst, results["failed"] + results["hung"])
    return int(worst > 0)


if __name__ == "__main__":
    sys.exit(main())
