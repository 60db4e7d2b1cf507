"""A run from start to table."""

import time
from pathlib import Path

from ..errors import InputError
from . import folder
from .config import RunConfig
from .executors import EXECUTORS
from .job import Job, OnProgress
from .plan import cells
from .table import Table, table, write


def run(
    config: RunConfig,
    *,
    executor: str = "serial",
    workers: int | None = None,
    limit: int | None = None,
    retry_failed: bool = False,
    on_progress: OnProgress | None = None,
) -> Table:
    """Finish what is not finished of a run, and write its table.

    The folder ``config.out`` can be worked on by any number of these at once, killed at any moment, and gone on with.

    Args:
        executor: a name in ``EXECUTORS``, or the address of your own.
        workers: how many processes, where the executor has more than one.
        limit: only the first so many samples.
        retry_failed: try samples again that failed before, and numbers that were missing.

    Raises :class:`InputError` for whatever cannot be used, and a folder that holds a run of another config.
    """
    for name, count in (("--limit", limit), ("--workers", workers)):
        if count is not None and count < 1:
            raise InputError(f"{name} must be from 1 on, not {count}.")
    execute = EXECUTORS[executor]
    place = Path(config.out).resolve()
    todo = cells(config, limit)
    folder.begin(config, place)
    job = Job(config, todo, place, time.time() if retry_failed else 0.0)
    execute(job, workers, on_progress)
    made = table(job)
    write(made, job)
    return made
