"""Kill a run at random moments, go on with it each time, and compare its table with that of a run left in peace.

    python tests/experiments/kill_thirty.py [KILLS] [SEED]

Runs are ended with SIGKILL anywhere between loading the model and writing the last file. A run that gets through before
it is killed is compared, and another one begun. Prints what it did; exits with 1 if anything was lost or done twice.
"""

import io
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from omegaconf import OmegaConf

from flowedit_grag.cli.runs import run
from flowedit_grag.experiments.config import read
from flowedit_grag.experiments.executors.local import FORKED, IMPORTED, PATIENT
from flowedit_grag.experiments.run import run as finish

HERE = Path(__file__).parent
os.environ.setdefault(*PATIENT)  # several processes share the processors
FORKED.set_forkserver_preload(IMPORTED)


def settings(out, **changes):
    """A small config: 8 problems of the lab, two rows."""
    traced = {"method": "runner_parts:Traced", "log": f"{out}.log"}
    base = {
        "model": "lab", "out": str(out), "seed": 3, "metrics": ["lab_success", "psnr_outside"],
        "dataset": {"name": "lab", "split": "validation", "per_task": 1},
        "methods": {"plain": traced, "half": {**traced, "start": 0.5}},
    }  # fmt: skip
    return {**base, **changes}


def write(out, **changes):
    """The config as a file beside ``out``."""
    path = Path(f"{out}.yaml")
    OmegaConf.save(OmegaConf.create(settings(out, **changes)), path)
    return path


def done(out, *, executor="serial", workers=None, limit=None, retry_failed=False, on_progress=None, **changes):
    """Finish the run in this process; its table."""
    flags = {"executor": executor, "workers": workers, "limit": limit, "retry_failed": retry_failed}
    return finish(read(write(out, **changes)), **flags, on_progress=on_progress)


def start(path):
    """The command in a process of its own, forked from one that has imported the package. It prints into a file."""
    process = FORKED.Process(target=_command, args=(path,))
    process.start()
    return process


def _command(path):
    with open(f"{path}.{os.getpid()}.out", "w") as said, redirect_stdout(said), redirect_stderr(io.StringIO()):
        run(path, [])


def begun(out):
    """How often each edit was begun."""
    log = Path(f"{out}.log")
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(line.split(" ", 1)[1] for line in lines)


def finished(out):
    """Names of all records."""
    return {str(path.relative_to(out)) for path in Path(out).glob("edits/*/[!.]*.json")}


def pictures(out):
    """By row and sample."""
    return {
        (path.parent.name, path.name.split(".")[0]): path.read_bytes() for path in Path(out).glob("edits/*/[!.]*.png")
    }


def killed(path, delay):
    """Start the run and kill it after ``delay`` seconds; whether it was not done by then."""
    process = start(path)
    process.join(delay)
    process.kill()
    process.join()
    return process.exitcode != 0


def left_in_peace(path):
    """Let the run finish; raises unless it does."""
    process = start(path)
    process.join()
    assert process.exitcode == 0


def check(out, whole, kills):
    """Nothing was lost, and at each kill at most the sample in flight was begun again."""
    assert (out / "table.json").read_bytes() == (whole / "table.json").read_bytes()
    assert pictures(out) == pictures(whole)
    assert len(finished(out)) == len(finished(whole))
    assert begun(out).keys() == begun(whole).keys()
    assert begun(out).total() - begun(whole).total() <= kills
    assert not list(out.glob("**/.*.*"))


def main(kills=30, seed=None):
    seed = random.randrange(10**6) if seed is None else seed
    rng = random.Random(seed)
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        since = time.perf_counter()
        left_in_peace(write(whole))
        span = time.perf_counter() - since
        done, number, here = 0, 0, 0
        path = write(out := Path(folder) / "run0")
        while done < kills:
            before = len(finished(out))
            if killed(path, rng.uniform(0, span)):
                done, here = done + 1, here + 1
                print(f"kill {done}: {before} -> {len(finished(out))} records")
                continue
            check(out, whole, here)
            number, here = number + 1, 0
            path = write(out := Path(folder) / f"run{number}")
        left_in_peace(path)
        check(out, whole, here)
    print(f"{done} kills, {number + 1} runs, every table identical")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
