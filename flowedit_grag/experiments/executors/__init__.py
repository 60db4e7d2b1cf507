"""Who does the work of a run. One is a function ``(job, workers, on_progress)`` in a file here, or of your own.

It returns when every item of the job is finished. Which worker does what is settled by claims in the run's folder,
so that no executor has to hand out work, and what comes out is the same for all.
"""

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
