"""What a method works on and what it yields."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..backbone.flow import Condition, Flow, TokenLayout
from ..errors import InputError
from ..guidance.control import Control
from ..inversion.solver import Solver, Velocity, trajectory
from ..progress import OnProgress, Progress

Noise = torch.Generator | Iterable[Tensor]
Steps = Generator[Progress, None, Any]


@dataclass(frozen=True)
class Source:
    """What is edited: latents ``[1, C, h, w]``, the prompt that describes them, and noise of the same shape."""

    flow: Flow
    latents: Tensor
    condition: Condition
    noise: Iterator[Tensor]
    negative: Condition | None = None  # where true classifier-free guidance is on

    @property
    def layout(self) -> TokenLayout:
        return self.flow.layout(self.latents, self.condition)


@dataclass(frozen=True)
class Targets:
    """Edits made in one batch: a prompt (row of ``condition``) and a control each."""

    condition: Condition
    controls: tuple[Control | None, ...]

    def __len__(self) -> int:
        return len(self.condition)

    def __getitem__(self, rows: slice) -> "Targets":
        return Targets(self.condition[rows], self.controls[rows])


def draws(noise: Noise | None, like: Tensor) -> Iterator[Tensor]:
    """Standard normal tensors shaped and placed like ``like``, from a generator or from what is given, in order."""
    if isinstance(noise, torch.Generator):
        while True:
            yield torch.randn(like.shape, generator=noise, device=noise.device, dtype=torch.float32).to(like)
    for tensor in () if noise is None else noise:
        if tensor.shape != like.shape:
            raise InputError(f"noise must be shaped like the latents, {list(like.shape)}, not {list(tensor.shape)}.")
        yield tensor.to(like)
    raise InputError("the method needs (more) noise; give a torch.Generator or enough tensors.")


def inverted(v: Velocity, x: Tensor, sigmas: Sequence[float], solver: Solver) -> Steps:
    """The path of ``x`` (at the last of the descending ``sigmas``) up to noise: a latent for each of ``sigmas``."""
    path = [x]
    for state in trajectory(v, x, sigmas[::-1], solver):
        path.append(state)
        yield Progress("invert", len(path) - 1, len(sigmas) - 1, state)
    return path[::-1]


def run_to_end(steps: Steps, on_progress: OnProgress | None = None) -> Any:
    """What the generator returns, after every :class:`Progress` has gone to ``on_progress``; closed however it ends."""
    with closing(steps):
        while True:
            try:
                progress = next(steps)
            except StopIteration as done:
                return done.value
            if on_progress:
                on_progress(progress)


def subprogress(steps: Steps, index: int, count: int) -> Steps:
    """``steps`` as part ``index`` of ``count``, so that progress runs once from start to end."""
    while True:
        try:
            made = next(steps)
        except StopIteration as done:
            return done.value
        yield replace(made, step=index * made.steps + made.step, steps=count * made.steps)
