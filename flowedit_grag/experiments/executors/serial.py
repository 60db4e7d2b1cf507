"""One item after the other, in this process."""

from ...errors import InputError
from ...progress import OnProgress
from ..job import Job
from ..runner import work


def run(job: Job, workers: int | None, on_progress: OnProgress | None) -> None:
    """Raises :class:`InputError` for more than one of ``workers``."""
    if workers not in (None, 1):
        raise InputError(f"the executor serial has one worker, not {workers}; choose --executor local.")
    work(job, on_progress)
