"""This machine: one item after the other in this process, or processes of their own, one for each GPU or as many as are
asked for."""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from ...errors import InputError
from ...hidden import masked
from ...progress import OnProgress
from ..job import Job
from ..plan import WorkItem
from ..runner import work
from .monitor import EVERY, MOST_IN_A_ROW, Monitor

KEY = 64  # bytes
# Every worker has as many threads as a serial run, or results would differ in their last bits. Threads that spin while
# they wait would then take the processors from one another; this is read by OpenMP when a worker starts.
PATIENT = ("OMP_WAIT_POLICY", "PASSIVE")
# Workers are forked from a process that has imported what they need, and no more: CUDA does not survive a fork.
FORKED = multiprocessing.get_context("forkserver")
IMPORTED = ["flowedit_grag.experiments.runner", "diffusers.pipelines.flux.pipeline_flux"]


def serial(job: Job, workers: int | None, on_progress: OnProgress | None) -> None:
    """In this process. Raises :class:`InputError` for more than one of ``workers``."""
    if workers not in (None, 1):
        raise InputError(f"the executor serial has one worker, not {workers}; choose --executor local.")
    work(job, on_progress)


def run(job: Job, workers: int | None, on_progress: OnProgress | None) -> None:
    """Workers that die are replaced. All of them end with this process.

    Raises :class:`InputError` for what a worker raises it for, and when workers die again and again.
    """
    os.environ.setdefault(*PATIENT)
    FORKED.set_forkserver_preload(IMPORTED)
    pool = [Worker(job, device) for device in _devices(job, workers)]
    monitor = Monitor(job, on_progress, MOST_IN_A_ROW * len(pool))
    try:
        while monitor.left and not all(worker.process.exitcode == 0 for worker in pool):
            wait([worker.process.sentinel for worker in pool], timeout=EVERY)
            monitor.look()
            for index, worker in enumerate(pool):
                if monitor.left and worker.dead():
                    monitor.died(worker.key, f"the last with exit code {worker.process.exitcode}")
                    pool[index] = Worker(job, worker.device)
    finally:
        for worker in pool:
            worker.end()


def _devices(job: Job, workers: int | None) -> Sequence[str | None]:
    """A device for each worker; ``None`` leaves it to the config. GPUs are shared if there are more workers."""
    own, gpus = job.config.loading.get("device"), torch.cuda.device_count()
    if own and workers is None:
        raise InputError(f"loading says device={own!r}; leave it out, or say with --workers how many share it.")
    if workers is None and not gpus:
        raise InputError("there is no GPU here; say with --workers how many processes share the CPU.")
    return [f"cuda:{index % gpus}" if gpus and not own else None for index in range(workers or gpus)]


class Worker:
    """A worker in a process of its own."""

    def __init__(self, job: Job, device: str | None):
        self.device = device
        self.complaints, theirs = FORKED.Pipe(duplex=False)
        self._key: Any = FORKED.Array("c", KEY, lock=False)
        arguments: tuple[Any, ...] = (job, device, torch.get_num_threads(), theirs, self._key)
        self.process = FORKED.Process(target=_labour, args=arguments, daemon=True)
        self.process.start()
        theirs.close()

    @property
    def key(self) -> str:
        """Of the last item that it began to edit or measure."""
        return self._key.value.decode()

    def dead(self) -> bool:
        """Whether it ended before its time. Raises what it complained of."""
        if self.process.is_alive() or self.process.exitcode == 0:
            return False
        try:
            raise InputError(self.complaints.recv())
        except EOFError:
            return True

    def end(self) -> None:
        """Stop it, whatever it is doing: nothing is lost but the sample in its hands."""
        self.process.terminate()
        self.process.join()
        self.complaints.close()


def _labour(job: Job, device: str | None, threads: int, complaints: Connection, key: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    parent = multiprocessing.parent_process()

    def note(item: WorkItem) -> None:
        key.value = item.key.encode()

    try:
        work(job, device=device, threads=threads, should_continue=lambda: not parent or parent.is_alive(), on_work=note)
    except InputError as error:
        complaints.send(str(error))
        raise SystemExit(2) from None
    except Exception as error:
        sys.stderr.write(masked("".join(traceback.format_exception(error))))
        raise SystemExit(1) from None
