"""The work of a run: every item edited and measured once, by whoever gets to it first."""

import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from ..errors import InputError, first_line
from ..locks import Locks
from ..methods.request import words
from ..metrics import Images, Missing, measure
from ..progress import OnProgress, Progress
from .editors import Editors
from .folder import LOCKS
from .job import Job
from .plan import WorkItem
from .store import Store

PATIENCE = 0.2  # seconds between looks at what others are working on


def work(
    job: Job,
    on_progress: OnProgress | None = None,
    *,
    device: str | None = None,
    threads: int | None = None,
    should_continue: Callable[[], bool] = lambda: True,
    on_work: Callable[[WorkItem], None] = lambda item: None,
) -> None:
    """Work until every item is finished, by this process or another; items of a process that dies are taken over.

    Args:
        device: in place of the config's.
        threads: of torch on the CPU: their number can change the last bits of a result.
        should_continue: asked before every item; work ends when it says no.
        on_work: called before an item is edited, and before it is measured.

    Raises :class:`InputError` for models that cannot be loaded, and a folder that cannot be written in.
    """
    if threads:
        torch.set_num_threads(threads)
    with Locks(job.folder / LOCKS) as locks:
        worker = _ItemRunner(job, locks, device, on_work)
        left = [item for item in job.items if not job.finished(worker.store, item)]
        finished = len(job.items) - len(left)
        report = on_progress or (lambda done: None)
        report(Progress("edits", finished, len(job.items)))
        while left:
            taken = []
            for item in left:
                if not should_continue():
                    return
                if worker.finish(item):
                    finished += 1
                    report(Progress("edits", finished, len(job.items)))
                else:
                    taken.append(item)
            if len(taken) == len(left):
                time.sleep(PATIENCE)
            left = taken


class _ItemRunner:
    def __init__(self, job: Job, locks: Locks, device: str | None, on_work: Callable[[WorkItem], None]):
        self.job, self.locks, self.store, self.on_work = job, locks, Store(job.folder), on_work
        loading = {**job.config.loading, **({} if device is None else {"device": device})}
        self.editors = Editors(loading)
        _make_current(loading.get("device"))

    def finish(self, item: WorkItem) -> bool:
        """Do what is left of an item. Returns whether it is finished; not while others have it, or its turn before."""
        job, store = self.job, self.store
        if job.finished(store, item):
            return True
        if item.previous is not None and not self._can_be_gone_on_from(item.previous):
            return False
        with self.locks.claimed(item.key) as mine:
            if not mine:
                return False
            store.clear(item)
            record = job.edited(store, item)  # someone may have finished it since
            if record is None:
                self._edit(item)
                record = store.record(item)
            names = job.unmeasured(store, item) if record is not None and record["status"] == "done" else []
            if names and not store.has_image(item):  # damaged since
                self._edit(item)
                record = store.record(item)
            if names and record is not None and record["status"] == "done":
                self._measure(item, names)
        return True

    def _can_be_gone_on_from(self, item: WorkItem) -> bool:
        """Whether an edit is done, for good or ill. One whose picture was damaged since is made again."""
        record = self.job.edited(self.store, item)
        if record is None or record["status"] != "done" or self.store.has_image(item):
            return record is not None
        if item.previous is not None and not self._can_be_gone_on_from(item.previous):
            return False
        with self.locks.claimed(item.key) as mine:
            if mine and not self.store.has_image(item):
                self._edit(item)
        return mine

    def _edit(self, item: WorkItem) -> None:
        editor = self.editors.of(item)  # what this raises is not the sample's fault, and stops the run
        self.on_work(item)
        try:
            told = words(editor.method, item.sample, judged=item.row.early_filter is not None)
            result = editor.edit(self._start(item), **told, seed=item.seed, early_filter=item.row.early_filter)
        except torch.AcceleratorError:  # a GPU in this state fails at every other sample too
            raise
        except Exception as error:
            self.store.fail(item, error)
        else:
            self.store.keep(item, result)

    def _start(self, item: WorkItem) -> Image.Image:
        """The picture that is edited."""
        before = item.previous

        def result_of(id: str) -> Image.Image:
            record = None if before is None else self.store.record(before)
            if before is None or record is None or record["status"] == "failed":
                raise InputError(f"the turn before, {id!r}, failed.")
            return self.store.image(before)

        return item.sample.start(result_of)

    def _measure(self, item: WorkItem, names: list[str]) -> None:
        """One number after the other, each kept at once: a metric may kill the process."""
        self.on_work(item)
        of = self.job.dependencies(item)
        try:
            pictures = self._pictures(item)
        except Exception as error:  # must not cost the edit
            self.store.keep_scores(item, dict.fromkeys(names, Missing(first_line(error))), of)
            return
        for metric in (metric for metric in self.job.config.metrics if metric.name in names):
            self.store.keep_scores(item, measure([metric], pictures), of)

    def _pictures(self, item: WorkItem) -> Images:
        sample, source = item.sample, self._start(item)
        mask = _read(sample.mask)
        if isinstance(mask, np.ndarray):
            mask = _fitted(mask, source.size, drawn_on_another=item.previous is not None)
        return Images(
            edited=np.asarray(self.store.image(item)), source=np.asarray(source), truth=_read(sample.truth), mask=mask,
            source_prompt=sample.source_prompt, target_prompt=sample.target_prompt, instruction=sample.instruction,
            edit=sample.edit,
        )  # fmt: skip


def _read(picture: Callable[[], Image.Image | np.ndarray] | None) -> np.ndarray | Missing | None:
    """A ground truth or a mask. One that cannot be read costs the numbers that need it, and no others."""
    try:
        return None if picture is None else np.asarray(picture())
    except Exception as error:
        return Missing(first_line(error))


def _fitted(mask: np.ndarray, size: tuple[int, int], drawn_on_another: bool) -> np.ndarray | Missing:
    """``mask`` for a picture of ``size = (width, height)``. A later turn's was drawn on the annotators' own result of
    the turn before, which need not be as large as ours."""
    height, width = mask.shape
    if (width, height) == size:
        return mask
    if drawn_on_another:
        return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    return Missing(f"the mask is {width}x{height}, but its picture {size[0]}x{size[1]}")


def _make_current(device: str | None) -> None:
    """Networks of metrics and judges go to the accelerator that is current: the model's, not all workers' first."""
    if device is not None and torch.accelerator.is_available() and torch.device(device).index is not None:
        torch.accelerator.set_device_index(torch.device(device).index)
