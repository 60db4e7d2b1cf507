"""Data parallel training under ``torchrun``: on a CPU two processes of one thread each outrun one of two threads."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor


@contextmanager
def joined() -> Iterator[None]:
    """Meet the other processes, if ``torchrun`` started this one, and part from them at the end."""
    if "RANK" not in os.environ:
        yield
        return
    dist.init_process_group("gloo")
    try:
        yield
        dist.barrier()
    finally:
        dist.destroy_process_group()


def place() -> tuple[int, int]:
    """This process's number, and how many there are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


@torch.no_grad()
def average_gradients(parameters: Iterable[Tensor]) -> None:
    """The mean of every gradient over all processes. One that some do not have, because their data did not lead there,
    counts as zero; one that none has stays ``None``."""
    if not dist.is_initialized():
        return
    parameters = list(parameters)
    had = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32)
    flat = torch.cat([had, *((torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters)])
    dist.all_reduce(flat)
    had, *means = flat.split([len(parameters), *(p.numel() for p in parameters)])
    for p, someone, mean in zip(parameters, had, means, strict=True):
        p.grad = mean.view_as(p) / dist.get_world_size() if someone else None
