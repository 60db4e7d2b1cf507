"""What executors with workers of their own see of the work: the files it leaves, and workers that died. What they died
at has failed, and the others do not wait for it."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import InputError
from ...locks import Locks
from ...metrics import Missing
from ...progress import OnProgress, Progress
from ..folder import LOCKS
from ..job import Job

EVERY = 0.5  # seconds between looks
MOST_AT_ONE = 2  # deaths at one item, which has then failed
MOST_IN_A_ROW = 3  # for each worker: edits that failed so, or deaths at none, and nothing was finished between them
TRIES = 20  # at the locks of one that died
DIED = f"the process that {{work}} it died {MOST_AT_ONE} times, {{how}}"


class Monitor:
    """The items of a job that are not finished, as of the last look, and how often workers died since one was. After
    ``most`` in a row it is not the samples' fault."""

    def __init__(self, job: Job, on_progress: OnProgress | None, most: int):
        self.job, self.on_progress, self.most, self.left = job, on_progress, most, list(job.items)
        self.in_a_row, self.given_up, self.at = 0, 0, Counter[str]()

    def look(self) -> None:
        """Look again and report."""
        before = len(self.left)
        self.left = [item for item in self.left if not self.job.state(item).finished]
        finished = before - len(self.left)
        if finished > self.given_up:  # and not only because they were given up
            self.in_a_row = 0
        self.given_up = max(0, self.given_up - finished)
        if self.on_progress:
            self.on_progress(Progress("edits", len(self.job.items) - len(self.left), len(self.job.items)))

    def died(self, key: str, how: str) -> None:
        """Another worker did. An item that too many died at has failed.

        Args:
            key: of the last item that the worker began to edit or measure.
            how: it died, for people.

        Raises :class:`InputError` after too many in a row.
        """
        if all(item.key != key for item in self.left):
            self.in_a_row += 1  # before its first item, or between two
        else:
            self.at[key] += 1
        if self.at[key] == MOST_AT_ONE:
            del self.at[key]  # its next metric has tries of its own
            edits = self._give_up(key, how)
            self.in_a_row += edits > 0  # those of a group failed together
            self.given_up += edits
        if self.in_a_row >= self.most:
            raise InputError(
                f"workers died {self.in_a_row} times and nothing was finished, {how}; is there enough memory?"
            )

    def _give_up(self, key: str, how: str) -> int:
        """Record what a process died at again, the edit or a number, as failed: the others shall not wait for it.
        Returns how many edits that were."""
        job, edits = self.job, 0
        with Locks(job.folder / LOCKS) as locks:
            for item in (item for item in self.left if item.key == key):
                group = next(group for group in job.groups if item in group)
                with _claimed(locks, group[0].key) as free:
                    if free and job.state(item).to_edit:
                        for one in (one for one in group if job.state(one).to_edit):
                            job.store.fail(one, RuntimeError(DIED.format(work="edited", how=how)))
                            edits += 1
                    elif free:
                        why = Missing(DIED.format(work="measured", how=how))
                        culprit = job.state(item).to_measure[:1]  # they are measured in this order
                        job.store.keep_scores(item, dict.fromkeys(culprit, why), job.metric_keys)
        return edits


@contextmanager
def _claimed(locks: Locks, key: str) -> Iterator[bool]:
    """As :meth:`Locks.claimed`, with patience: a death can be known before the dead process has let go of its locks."""
    for _ in range(TRIES):
        with locks.claimed(key) as mine:
            if mine:
                yield True
                return
        time.sleep(EVERY)
    yield False
