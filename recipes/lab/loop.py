"""A training stage that can be killed at any moment: seeded by step, checkpointed, resumed to the same losses.

Under ``torchrun`` it is data parallel: on a CPU two processes of one thread each outrun one of two threads.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from flowedit_grag.backbone.device_placement import training_attention
from flowedit_grag.errors import InputError
from flowedit_grag.files import written

LossAt = Callable[[np.random.Generator], tuple[Tensor, dict[str, Tensor]]]
LOG_EVERY = 50  # steps
CLIP = 1.0  # norm of the gradients
SEED = 0


@dataclass
class Stage:
    """What one stage trains, and where it keeps its checkpoint (``name.pt``) and its log (``name.jsonl``).

    Muon is for the matrices in a transformer's blocks but not their modulations, and for those named in ``also``; AdamW
    for all else. Muon's steps have the size that AdamW's learning rates suit (arXiv:2502.16982, eq. 4).
    """

    name: str
    folder: Path
    modules: dict[str, nn.Module]
    learning_rate: float
    also: tuple[str, ...] = ()
    warmup: int = 200
    decay: float = 0.2  # the last part of the steps, over which the learning rate falls to zero
    ema_decay: float = 0.999
    every: int = 250  # steps between checkpoints

    def __post_init__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.optimizers = self._optimizers()
        self.ema = {name: {key: value.detach().clone() for key, value in module.state_dict().items()}
                    for name, module in self.modules.items()}  # fmt: skip
        self.checkpoint, self.step = self.folder / f"{self.name}.pt", 0
        if self.checkpoint.exists():
            self._load(torch.load(self.checkpoint, map_location="cpu", weights_only=True))

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        transformer = self.modules.get("transformer", nn.Module())
        inner = [
            p for name, p in transformer.named_parameters()
            if name in self.also or ("transformer_blocks" in name and p.ndim == 2 and ".linear." not in name)
        ]  # fmt: skip
        ours = {id(p) for p in inner}
        others = [p for module in self.modules.values() for p in module.parameters() if id(p) not in ours]
        adamw = torch.optim.AdamW(others, betas=(0.9, 0.99), weight_decay=0.01)  # every step sets the rate
        if not inner:
            return [adamw]
        return [torch.optim.Muon(inner, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"), adamw]

    def fit(self, loss_at: LossAt, steps: int) -> None:
        """Train up to ``steps`` in all. Step k draws its data from a generator seeded by (SEED, k).

        Of n processes, number r draws from (SEED, n k + r), and the first one writes.
        """
        start, (rank, processes) = time.monotonic(), place()
        while self.step < steps:
            self._set_learning_rate(steps)
            draw = (SEED, self.step * processes + rank)
            torch.manual_seed(hash(draw) % 2**31)
            loss, parts = loss_at(np.random.default_rng(draw))
            loss.backward()
            self._update()
            self._average()
            self.step += 1
            if self.step % LOG_EVERY == 0 and rank == 0:
                self._log(loss=loss, seconds=time.monotonic() - start, **parts)
            if (self.step % self.every == 0 or self.step == steps) and rank == 0:
                self.save()

    def _update(self) -> None:
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        parameters = [p for group in groups for p in group["params"]]
        average_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, CLIP)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        state = {
            "step": self.step,
            "processes": place()[1],
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "ema": self.ema,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        with written(self.checkpoint) as partial:
            torch.save(state, partial)

    def _load(self, state: dict) -> None:
        if "step" not in state:
            raise InputError(f"{self.checkpoint} has shipped weights; train this stage in another folder.")
        if (now := place()[1]) != (before := state.get("processes", 1)):
            raise InputError(f"{self.checkpoint} was begun with {before} processes and cannot go on with {now}.")
        self.step = state["step"]
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
            for key, mean in self.ema[name].items():
                mean.copy_(state["ema"][name][key])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def _set_learning_rate(self, steps: int) -> None:
        left = (steps - self.step) / max(1, self.decay * steps)
        rate = self.learning_rate * min(1.0, (self.step + 1) / self.warmup, left)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.ema_decay, (1 + self.step) / (10 + self.step))
        for name, module in self.modules.items():
            mean, now = self.ema[name], module.state_dict()
            keys = [key for key, value in now.items() if value.is_floating_point()]
            torch._foreach_lerp_([mean[key] for key in keys], [now[key] for key in keys], 1 - decay)

    def _log(self, **values) -> None:
        line = {"step": self.step, **{name: round(torch.as_tensor(value).item(), 6) for name, value in values.items()}}
        with open(self.folder / f"{self.name}.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        print(self.name, line, flush=True)


def restore(folder: Path, stage: str, **modules: Any) -> None:
    """Give ``modules`` the averaged weights that a stage's checkpoint has of them, by name."""
    weights = torch.load(folder / f"{stage}.pt", map_location="cpu", weights_only=True)["ema"]
    for name, module in modules.items():
        module.load_state_dict(weights[name])


@contextmanager
def bfloat16(device: str) -> Iterator[None]:
    """Autocast a forward pass: half the time on processors with arithmetic for it (AVX-512 BF16, every recent GPU)."""
    with torch.autocast(torch.device(device).type, torch.bfloat16), training_attention(device):
        yield


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
def average_gradients(parameters: list[Tensor]) -> None:
    """The mean of every gradient over all processes. One that some do not have, because their data did not lead there,
    counts as zero; one that none has stays ``None``."""
    if not dist.is_initialized():
        return
    had = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32)
    flat = torch.cat([had, *((torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters)])
    dist.all_reduce(flat)
    had, *means = flat.split([len(parameters), *(p.numel() for p in parameters)])
    for p, someone, mean in zip(parameters, had, means, strict=True):
        p.grad = mean.view_as(p) / dist.get_world_size() if someone else None
