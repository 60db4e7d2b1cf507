"""Ray actors, on this machine or a cluster.

``RAY_ADDRESS`` names a cluster; without it one is started here, all of whose processes listen on the loopback only. All
machines must see the run's folder at one path, on a file system with POSIX locks, and the same model folders and code
of your own.
"""

import os
import sys
from importlib import import_module
from ipaddress import ip_address
from math import ceil
from typing import Any

import torch

from ...errors import InputError, needed
from ...progress import OnProgress
from ..job import Job
from ..runner import work
from .local import PATIENT
from .monitor import EVERY, MOST_IN_A_ROW, Monitor

HOW = "ray's log says how"  # a worker died: an actor has no exit code
# A part of what the cluster's first machine alone has: without that machine there is no cluster anyway.
HEAD = {"node:__internal_head__": 0.001}


def run(job: Job, workers: int | None, on_progress: OnProgress | None) -> None:
    """One actor for each GPU of the cluster, or ``workers``. Those that die are replaced.

    Raises :class:`InputError` for what a worker raises it for, and when workers die again and again.
    """
    ray = _library()
    try:
        ray.init(**_where())
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"ray cannot be reached ({error}).") from None
    try:
        pool = WorkerPool(ray, job, workers)
        monitor = Monitor(job, on_progress, MOST_IN_A_ROW * pool.count)
        monitor.look()
        while pool.tasks and monitor.left:  # the rest may wait for a place that will not come
            dead = pool.dead()
            monitor.look()
            for key in dead:
                if monitor.left:
                    monitor.died(key, HOW)
                    pool.hire()
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, InputError) else error) from None
    except ray.exceptions.RayActorError as error:  # not a worker's
        raise InputError("the process that takes the workers' notes died; is there enough memory?") from error
    finally:
        ray.shutdown()


class RayWorker:
    """The actor."""

    def work(self, job: Job, threads: int, here: str, notes: Any, name: int) -> None:
        """See :func:`work`. The cluster says which GPU is seen. Paths in a config are as seen from ``here``. ``notes``
        are of what the worker called ``name`` is at, and outlive it."""
        os.chdir(here)
        # ray gives a process one thread, and results would differ in their last bits
        work(job, threads=threads, on_work=lambda item: notes.put((name, item.key)))


class WorkerPool:
    """The actors, and what they are at."""

    def __init__(self, ray: Any, job: Job, workers: int | None):
        self.ray, self.job = ray, ray.put(job)
        gpus = int(ray.cluster_resources().get("GPU", 0))
        if workers is None and not gpus:
            raise InputError("the cluster has no GPU; say with --workers how many processes share its CPUs.")
        self.count = workers or gpus
        # processors are not counted, so that as many start as were asked for
        share = 1 / ceil(self.count / gpus) if gpus else 0  # of a GPU: an actor's parts cannot lie on two
        self.kind = ray.remote(num_cpus=0, num_gpus=share, scheduling_strategy="SPREAD")(RayWorker)
        self.notes = ray.util.queue.Queue(actor_options={"num_cpus": 0, "resources": HEAD})
        self.keys: dict[int, str] = {}  # of the last item that each began to edit or measure
        self.hired = 0
        self.tasks: dict[Any, tuple[int, Any]] = {}  # whose they are; an actor that nobody refers to ends
        for _ in range(self.count):
            self.hire()

    def hire(self) -> None:
        """Another actor, which begins to work."""
        actor, name, self.hired = self.kind.remote(), self.hired, self.hired + 1
        task = actor.work.remote(self.job, torch.get_num_threads(), os.getcwd(), self.notes, name)
        self.tasks[task] = (name, actor)

    def dead(self) -> list[str]:
        """Wait a little; what those were at that died since, each an item's key or nothing. Raises what they raise."""
        done, _ = self.ray.wait(list(self.tasks), timeout=EVERY)
        found = []
        for task in done:
            name, actor = self.tasks.pop(task)
            try:
                self.ray.get(task)
            except self.ray.exceptions.RayActorError:
                self.ray.kill(actor)  # it may only be out of reach
                found.append(name)
        self.keys.update(self.notes.get_nowait_batch(self.notes.qsize()))
        return [self.keys.pop(name, "") for name in found]


def _where() -> dict[str, Any]:
    installed = (sys.prefix, sys.base_prefix)
    # methods of your own are found in all that this process imports from besides what is installed
    own = os.pathsep.join(os.path.abspath(path) for path in sys.path if not path.startswith(installed))
    seen = dict([PATIENT, ("PYTHONPATH", own)])
    quiet = {"log_to_driver": False, "logging_level": "error", "runtime_env": {"env_vars": seen}}
    if os.environ.get("RAY_ADDRESS"):
        return {"address": "auto", **quiet}
    return {"address": "local", "include_dashboard": False, **quiet}


def _library() -> Any:
    needed("ray.util.queue", "the executor ray")
    ray, alone = import_module("ray"), not os.environ.get("RAY_ADDRESS")
    # Ray's processes listen at what it takes for this machine's address if that is the loopback's, or else on every
    # interface. One that it is given it replaces; but it obeys this, its own switch for systems whose firewalls ask.
    constants: Any = import_module("ray._private.ray_constants")
    constants.ENABLE_RAY_CLUSTER = not alone
    if alone and not ip_address(ray.util.get_node_ip_address()).is_loopback:
        raise InputError("this ray would listen on every interface; start one yourself, and name it in RAY_ADDRESS.")
    return ray
