"""Ray actors, on this machine or a cluster.

``RAY_ADDRESS`` names a cluster; without it one is started here that listens on the loopback only. All machines must
see the run's folder at one path, on a file system with POSIX locks, and the same model folders and code of your own.
"""

import os
import sys
from importlib import import_module
from math import ceil
from typing import Any

import torch

from ...errors import InputError
from ..job import Job, OnProgress
from ..runner import work
from .local import PATIENT
from .watching import EVERY, Watch

RESTARTS = 3  # of an actor whose process or machine is lost


def run(job: Job, workers: int | None, on_progress: OnProgress | None) -> None:
    """One actor for each GPU of the cluster, or ``workers``. An actor that dies is restarted, and goes on.

    Raises :class:`InputError` for what a worker raises it for, and when actors are lost again and again.
    """
    ray = _library()
    try:
        ray.init(**_where())
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"ray cannot be reached ({error}).") from None
    try:
        actors = _actors(ray, workers)  # kept: an actor that nobody refers to is not restarted
        shared, threads = ray.put(job), torch.get_num_threads()
        tasks = [actor.work.remote(shared, threads, os.getcwd()) for actor in actors]
        watch = Watch(job, on_progress)
        watch.look()
        while tasks and watch.left:  # the rest may wait for a place that will not come
            done, tasks = ray.wait(tasks, timeout=EVERY)
            watch.look()
            ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, InputError) else error) from None
    except ray.exceptions.RayActorError as error:
        raise InputError(f"a worker died more than {RESTARTS} times; is there enough memory?") from error
    finally:
        ray.shutdown()


class Worker:
    """The actor."""

    def work(self, job: Job, threads: int, here: str) -> None:
        """See :func:`work`. The cluster says which GPU is seen. Paths in a config are as seen from ``here``."""
        os.chdir(here)
        work(job, threads=threads)  # ray gives a process one thread, and results would differ in their last bits


def _actors(ray: Any, workers: int | None) -> list[Any]:
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if workers is None and not gpus:
        raise InputError("the cluster has no GPU; say with --workers how many processes share its CPUs.")
    count = workers or gpus
    # processors are not counted, so that as many start as were asked for
    share = 1 / ceil(count / gpus) if gpus else 0  # of a GPU: an actor's parts cannot lie on two
    needs = {"num_cpus": 0, "num_gpus": share, "scheduling_strategy": "SPREAD"}
    kind = ray.remote(max_restarts=RESTARTS, max_task_retries=RESTARTS, **needs)(Worker)
    return [kind.remote() for _ in range(count)]


def _where() -> dict[str, Any]:
    seen = dict([PATIENT, ("PYTHONPATH", _own_code())])
    quiet = {"log_to_driver": False, "logging_level": "error", "runtime_env": {"env_vars": seen}}
    if os.environ.get("RAY_ADDRESS"):
        return {"address": "auto", **quiet}
    return {"address": "local", "_node_ip_address": "127.0.0.1", "include_dashboard": False, **quiet}


def _own_code() -> str:
    """Where methods of your own are found: all that this process imports from besides what is installed."""
    installed = (sys.prefix, sys.base_prefix)
    return os.pathsep.join(os.path.abspath(path) for path in sys.path if not path.startswith(installed))


def _library() -> Any:
    try:
        return import_module("ray")
    except ImportError as error:
        raise InputError(f"the executor ray needs ray ({error}); pip install 'flowedit-grag[ray]'.") from None
