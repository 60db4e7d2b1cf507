"""What executors with workers of their own see of the work: the files it leaves."""

from ...progress import OnProgress, Progress
from ..job import Job

EVERY = 0.5  # seconds between looks


class Monitor:
    """The items of a job that are not finished, as of the last look."""

    def __init__(self, job: Job, on_progress: OnProgress | None):
        self.job, self.on_progress, self.left = job, on_progress, list(job.items)

    def look(self) -> int:
        """Look again and report; returns how many items were finished since."""
        before = len(self.left)
        self.left = [item for item in self.left if not self.job.state(item).finished]
        if self.on_progress:
            self.on_progress(Progress("edits", len(self.job.items) - len(self.left), len(self.job.items)))
        return before - len(self.left)
