"""A run from start to table."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..backbone.device_placement import dtype_name
from ..errors import InputError
from ..progress import OnProgress
from .config import RunConfig
from .executors import executor_of
from .folder import begin, settle
from .job import Job, failed_before
from .plan import work_items
from .table import RunTable


def run(
    config: RunConfig,
    *,
    executor: str = "serial",
    workers: int | None = None,
    limit: int | None = None,
    retry_failed: bool = False,
    on_progress: OnProgress | None = None,
) -> RunTable:
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
    execute = executor_of(executor)
    # said, so that a machine whose own choice is another is refused, and no table is of two precisions
    dtype = dtype_name(config.loading.get("dtype"), config.loading.get("device"))
    config = replace(config, loading={**config.loading, "dtype": dtype})
    job = Job(config, work_items(config, limit, on_progress), Path(config.out).resolve(), limit)
    begin(job)
    if retry_failed:
        job = replace(job, retry=failed_before(job))
    try:
        execute(job, workers, on_progress)
    except BaseException:
        with suppress(Exception):  # what is there is worth a table; why it is not all there matters more
            settle(job)
        raise
    return settle(job)
