"""The training loop: seeded by sample, checkpointed, resumed to the same losses, bit for bit on one machine."""

import logging
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.training_utils import cast_training_params
from torch import Tensor, nn

from ..backbone.device_placement import training_attention
from ..backbone.image_flow import ImageFlow
from ..backbone.load import load
from ..errors import InputError, first_line, memory_advice, needed
from ..files import check_writable
from ..lora_moe import recorded_usage, save_adapter
from ..lora_moe.config import NAME, LoraMoeConfig
from ..lora_moe.files import FILE_NAME
from ..methods.icedit import ICEdit
from ..progress import OnProgress, Progress
from .config import TrainConfig
from .data import Pairs
from .data.usable import Usable, shuffled
from .diptychs import diptychs, draw, loss
from .figures import expert_usage, loss_curve, write_samples
from .folder import RunFolder

log = logging.getLogger(__name__)
LESS_MEMORY = "gradient_checkpointing=true needs less, and so do a smaller width and batch; it goes on where it was."
USAGE_CALLS = 8  # forward calls that the experts' usage is counted in


def train(config: TrainConfig, on_progress: OnProgress | None = None) -> Path:
    """Train an adapter, from the last checkpoint in ``config.out`` if there is one; returns the adapter's file.

    Leaves in the folder the adapter, ``config.yaml``, ``log.jsonl`` (a line a step), ``tensorboard/``, ``samples/``,
    ``loss.png``, for a mixture ``experts.png``, and ``train.lock``, which keeps other runs away. Under
    ``accelerate launch`` every process takes samples of its own.

    Raises :class:`InputError` for data, models and folders that cannot be used.
    """
    needed("tensorboard", "training")
    folder = RunFolder(Path(config.out))
    folder.check(config)
    pairs = config.data.open()
    shown = config.samples.pairs
    if len(pairs) <= shown:
        raise InputError(f"the data has {len(pairs)} pairs and samples.pairs keeps {shown} of them from training.")
    check_writable(folder.path, "choose another folder with out=FOLDER.")
    accelerator = Accelerator(
        gradient_accumulation_steps=config.accumulation,
        log_with="tensorboard",
        project_dir=config.out,
        mixed_precision="no",  # the loss has its own, whatever the environment says
    )
    flow = load(config.model, dtype=config.dtype, device=accelerator.device)
    with memory_advice(LESS_MEMORY):
        run = TrainingRun(config, folder, accelerator, flow, pairs)
        with folder.claimed() if accelerator.is_main_process else nullcontext():
            run.resume()
            for done in run.steps():
                if on_progress and accelerator.is_main_process:
                    on_progress(done)
            return run.finish()


class TrainingRun:
    """A run in progress: ``step`` steps are done."""

    def __init__(self, config: TrainConfig, folder: RunFolder, accelerator: Accelerator, flow: ImageFlow, pairs: Pairs):
        self.config, self.folder, self.accelerator, self.flow = config, folder, accelerator, flow
        self.method = ICEdit(width=config.width)
        self.method.check_model(flow)
        count = len(pairs) - config.samples.pairs
        self.pairs = Usable(pairs, count, config.width)
        self.shown = [pair for number in range(count, len(pairs)) if (pair := self.pairs.get(number))]
        self.trainable = add_adapter(flow, config.adapter, config.seed)
        if config.gradient_checkpointing:
            flow.transformer.enable_gradient_checkpointing()
        optimizer = config.optimizer.build(self.trainable.values())
        self.transformer, self.optimizer = accelerator.prepare(flow.transformer, optimizer)
        self.step = 0

    def resume(self) -> None:
        """Go back to the last checkpoint, or to the beginning, and drop what was logged after it."""
        if state := self.folder.load():
            for what, now in (("processes", self.accelerator.num_processes), ("pairs", len(self.pairs))):
                if now != (before := state.get(what, now)):
                    raise InputError(f"{self.folder.path} was begun with {before} {what} and cannot go on with {now}.")
            with torch.no_grad():
                for name, parameter in self.trainable.items():
                    parameter.copy_(state["adapter"][name])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
        if self.accelerator.is_main_process:
            self.folder.begin(self.config)
            self.folder.rewind(self.step)
        logger = {"tensorboard": {"purge_step": self.step + 1}}
        self.accelerator.init_trackers("tensorboard", init_kwargs=logger)

    def steps(self) -> Iterator[Progress]:
        """Take the steps that are left."""
        while self.step < self.config.steps:
            mean = self._advance()
            self.step += 1
            self._log(mean)
            last, every = self.step == self.config.steps, self.config.samples.every
            if last or self.step % self.config.checkpoint_every == 0:
                self._save()
            if every and self.step % every == 0 and not last:  # the last ones come at the end
                self._samples()
            yield Progress("train", self.step, self.config.steps)

    def finish(self) -> Path:
        """Write the last samples and the figures; the adapter is there since the last checkpoint."""
        if self.config.samples.every:
            self._samples()
        with torch.no_grad(), recorded_usage(self.flow.transformer, NAME) as usage:  # of the samples that come next
            for ahead in range(USAGE_CALLS if self.config.adapter.experts > 1 else 0):
                self._loss(self.step + ahead, 0)
        self.accelerator.end_training()
        path = self.folder.path
        if self.accelerator.is_main_process:
            if lines := self.folder.lines():
                loss_curve(lines, path / "loss.png")
            if usage:
                expert_usage(usage, path / "experts.png")
        return path / FILE_NAME

    # ---- a step ----------------------------------------------------------------------------------------------

    def _advance(self) -> float:
        """One step of the optimizer; the mean loss of its samples."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optimizer.rate(self.step, self.config.steps)
        losses = []
        for part in range(self.config.accumulation):
            with self.accelerator.accumulate(self.transformer), training_attention(self.accelerator.device):
                value = self._loss(self.step, part)
                self.accelerator.backward(value)
                self._check(value)
                self.optimizer.step()
                self.optimizer.zero_grad()
            losses.append(value.detach())
        return self.accelerator.reduce(torch.stack(losses).mean(), "mean").item()

    def _check(self, value: Tensor) -> None:
        """Raise :class:`InputError` for a loss or a gradient that is no number, before it is in the weights."""
        gradients = [value.detach(), *(p.grad for p in self.trainable.values() if p.grad is not None)]
        if not torch.stack([norm.float().cpu() for norm in torch._foreach_norm(gradients)]).isfinite().all():
            raise InputError(
                f"step {self.step + 1} has a loss or a gradient that is not finite (the loss is {value.item():g}); "
                "a lower optimizer.lr may help, or dtype=float32. The last checkpoint is from before, and can go on so."
            )

    def _loss(self, step: int, part: int) -> Tensor:
        """The loss of this process' samples in forward call ``part`` of a step."""
        calls, rank = self.accelerator.num_processes, self.accelerator.process_index
        first = ((step * self.config.accumulation + part) * calls + rank) * self.config.batch
        samples = range(first, first + self.config.batch)
        chosen = [self.pairs[shuffled(sample, len(self.pairs), self.config.seed)] for sample in samples]
        batch = diptychs(self.flow, self.method, chosen, square=self.config.panel == "square")
        noise, sigma = draw(self.config.seed, samples, batch.latents.shape[1:], self.config.logit_mean)
        return loss(self.transformer, batch, noise, sigma, self.flow.transformer.dtype)

    # ---- what is written -------------------------------------------------------------------------------------

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            # first: a checkpoint says that it is there
            save_adapter(self.flow.transformer, self.folder.path, NAME, self.config.width)
            adapter = {name: parameter.detach() for name, parameter in self.trainable.items()}
            self.folder.save({
                "step": self.step, "adapter": adapter, "optimizer": self.optimizer.state_dict(),
                "processes": self.accelerator.num_processes, "pairs": len(self.pairs),
            })  # fmt: skip
        self.accelerator.wait_for_everyone()

    def _log(self, mean: float) -> None:
        group = self.optimizer.param_groups[0]
        values = {"loss": mean, "learning_rate": group["lr"] * group.get("d", 1.0)}  # d is Prodigy's own estimate
        self.accelerator.log(values, step=self.step)
        if self.accelerator.is_main_process:
            self.folder.append({"step": self.step, **values})

    def _samples(self) -> None:
        if self.shown and self.accelerator.is_main_process:
            path = self.folder.path / "samples" / f"step-{self.step:06d}.png"
            try:
                write_samples(self.flow, self.config, self.shown, path)
            except (RuntimeError, InputError) as error:  # out of memory, say: pictures to look at must not end a run
                log.warning("no samples at step %d: %s", self.step, first_line(error))
        self.accelerator.wait_for_everyone()


def add_adapter(flow: ImageFlow, config: LoraMoeConfig, seed: int) -> dict[str, nn.Parameter]:
    """Freeze the model and add an adapter; returns its weights, float32 whatever the model's, drawn from ``seed``.

    Raises :class:`InputError` where no layer has a name that the adapter is meant for, or one that is not linear.
    """
    if config.experts == 1:  # which needs no router
        config = replace(config, mixtures="", plain="|".join(filter(None, (config.mixtures, config.plain))))
    adapter = config.peft()
    meant = {
        name: module for name, module in flow.transformer.named_modules()
        if re.fullmatch(str(adapter.target_modules), name)
    }  # fmt: skip
    if not meant:
        raise InputError("no layer of the model has a name that adapter.mixtures or adapter.plain matches.")
    for name, module in meant.items():
        if not isinstance(module, nn.Linear):
            raise InputError(f"adapter.mixtures and adapter.plain must match linear layers only; {name!r} is none.")
    for network in flow.pipeline.components.values():
        if isinstance(network, nn.Module):
            network.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        flow.transformer.add_adapter(adapter, adapter_name=NAME)
    cast_training_params(flow.transformer)
    return {name: weight for name, weight in flow.transformer.named_parameters() if weight.requires_grad}
