"""Who does the work of a run. One is a function ``(job, workers, on_progress)`` in a file here, or of your own.

It returns when every item of the job is finished. Which worker does what is settled by claims in the run's folder,
so that no executor has to hand out work, and what comes out is the same for all.
"""

import inspect
from collections.abc import Callable

from ...errors import InputError
from ...registry import Registry

EXECUTORS = Registry(
    "executor",
    __name__,
    {
        "serial": "local:serial",
        "local": "local:run",
        "ray": "ray:run",
    },
)


def executor_of(name: str) -> Callable[..., None]:
    """The executor called ``name``. Raises :class:`InputError` for what is no function of a job, the number of workers
    and a callback."""
    found = EXECUTORS[name]
    try:
        taken = list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        taken = []
    if sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in taken) < 3:
        raise InputError(f"{name!r} is no executor; it must be a function of (job, workers, on_progress).")
    return found
