"""The work of a run: every item edited and measured once, by whoever gets to it first."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..editor import Editor
from ..errors import InputError, first_line
from ..locks import Locks
from ..methods import Method, written_options
from ..methods.frame import words
from ..metrics import Images, Missing, measure
from ..progress import OnProgress, Progress
from ..result import Result, plain
from .editors import Editors, Preparation
from .folder import LOCKS
from .job import Job
from .plan import WorkItem
from .store import COSTS

Group = tuple[WorkItem, ...]
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
        worker = _GroupRunner(job, locks, device, on_work)
        left = [group for group in job.groups if not job.finished(group)]
        finished = len(job.items) - sum(map(len, left))
        report = on_progress or (lambda done: None)
        report(Progress("edits", finished, len(job.items)))
        while left:
            taken = []
            for group in left:
                if not should_continue():
                    return
                if worker.finish(group):
                    finished += len(group)
                    report(Progress("edits", finished, len(job.items)))
                else:
                    taken.append(group)
            if len(taken) == len(left):
                time.sleep(PATIENCE)
            left = taken


class _GroupRunner:
    def __init__(self, job: Job, locks: Locks, device: str | None, on_work: Callable[[WorkItem], None]):
        self.job, self.locks, self.store, self.on_work = job, locks, job.store, on_work
        loading = {**job.config.loading, **({} if device is None else {"device": device})}
        self.editors = Editors(loading)
        place = torch.device(loading.get("device") or "cpu")
        if place.index is not None and torch.accelerator.is_available():
            # networks of metrics and judges go to what is current: the model's, not all workers' first
            torch.accelerator.set_device_index(place.index)

    def finish(self, group: Group) -> bool:
        """Do what is left of items that are edited together. Returns whether they are finished; not while others have
        them, or the turn before."""
        if self.job.finished(group):
            return True
        before = group[0].previous
        if before is not None and not self._can_be_gone_on_from(before):
            return False
        with self.locks.claimed(group[0].key) as mine:
            if mine:
                self._finish(group)
        return mine

    def _finish(self, group: Group) -> None:
        for item in group:
            self.store.clear(item)
        found = {item: self.job.state(item) for item in group}  # someone may have finished them since
        missing = [
            item for item, state in found.items()
            if state.to_edit or (state.to_measure and not self.store.has_image(item))
        ]  # fmt: skip
        if missing:
            self._edit(group, missing)
        for item in group:
            state = self.job.state(item) if item in missing else found[item]
            if state.to_measure:
                self._measure(item, state.to_measure)

    def _can_be_gone_on_from(self, item: WorkItem) -> bool:
        """Whether an edit is there, or has failed. One whose picture was damaged since is made again."""
        state = self.job.state(item)
        if state.status != "done" or self.store.has_image(item):
            return not state.to_edit
        if item.previous is not None and not self._can_be_gone_on_from(item.previous):
            return False
        with self.locks.claimed(item.key) as mine:
            if mine and not self.store.has_image(item):
                self._edit((item,), [item])
        return mine

    def _edit(self, group: Group, missing: Sequence[WorkItem]) -> None:
        """Make the edits of a group, and keep those that are ``missing``: the whole group is computed again, because
        what a batch holds changes the last bits of its rows."""
        editors = [self.editors.of(item) for item in group]  # what this raises is not the sample's fault: the run stops
        self.on_work(missing[0])
        try:
            results = self._results(group, editors)
        except torch.AcceleratorError:  # a GPU in this state fails at every other sample too
            raise
        except Exception as error:
            for item in missing:
                self.store.fail(item, error)
            return
        for item in missing:
            self.store.keep(item, *results[group.index(item)])

    def _results(self, group: Group, editors: Sequence[Editor]) -> Sequence[tuple[Result, dict[str, Any] | None]]:
        """Each item's edit, and of several, what they cost together."""
        item, editor = group[0], editors[0]
        early = item.row.early_filter
        told: dict[str, Any] = words(editor.method, item.sample, judged=early is not None)
        told |= {"detail": "model"}  # so that scores outside a mask are of what the model made
        told |= {"seed": item.seed, "prepare": (preparation := Preparation(self.editors.inversions))}
        if len(group) == 1:
            alone = editor.edit(self._start(item), **told, early_filter=early)
            return [(preparation.charged(alone), None)]
        controls = [one.method.control for one in editors]
        together = editor.edit_with(self._start(item), controls=controls, **told)
        return _shares(preparation.charged(together), group, [one.method for one in editors])

    def _start(self, item: WorkItem) -> Image.Image:
        """The picture that is edited: the sample's, or what became of the turn before."""
        if (before := item.previous) is None:
            return item.sample.image()
        if self.job.state(before).status != "done":
            raise InputError(f"the turn before, {before.sample.id!r}, failed.")
        return self.store.image(before)

    def _measure(self, item: WorkItem, names: Sequence[str]) -> None:
        """One number after the other, each kept at once: a metric may kill the process."""
        self.on_work(item)
        try:
            pictures = self._pictures(item)
        except Exception as error:  # must not cost the edit
            self.store.keep_scores(item, dict.fromkeys(names, Missing(first_line(error))), self.job.metric_keys)
            return
        for metric in (metric for metric in self.job.config.metrics if metric.name in names):
            self.store.keep_scores(item, measure([metric], pictures), self.job.metric_keys)

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


def _shares(together: Result, group: Group, methods: Sequence[Method]) -> list[tuple[Result, dict[str, Any]]]:
    """Each picture as the result of its row, with an equal share of the cost; and the group with what it cost."""
    whole = {name: getattr(together, name) for name in COSTS}
    share = {name: cost / len(group) for name, cost in whole.items()}
    about = {"rows": [item.row.name for item in group], **whole}
    found, settings = [], together.settings
    for image, control, method in zip(together.images, settings["grag"], methods, strict=True):
        options = {name: plain(value) for name, value in written_options(method).items() if name != "grag"}
        own = {**settings, "options": options, "grag": control}
        found.append((replace(together, images=[image], settings=own, **share), about))
    return found


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
