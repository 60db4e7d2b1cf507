"""From a name to a :class:`Flow`: the embedded lab model, a folder, or a hub repository."""

import os
import re
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import torch

from ..embedded import MODELS
from ..errors import InputError, first_line, memory_advice, unknown
from ..lora_moe import read_adapter
from ..options import finite
from .device_placement import Offload, check_offload, checked_device, checked_dtype, put
from .families import flow_of
from .image_flow import ImageFlow
from .known_models import profile_of
from .lora import Lora, add_loras, read_loras
from .memory import default_budget
from .model_folder import in_one_sentence, pipeline_in
from .quantization import FP8, SHORT, loading_config, store_in_fp8
from .single_file import ENDINGS, check_single_file, is_gguf


def load(
    model: str | Path = "lab",
    *,
    dtype: torch.dtype | str | None = None,
    device: torch.device | str | None = None,
    offload: Offload = "none",
    quantization: str | Mapping[str, Any] | None = None,
    transformer: str | Path | None = None,
    lora: Lora | Sequence[Lora] | None = None,
    adapter: str | Path | None = None,
    adapter_scale: float = 1.0,
    attention_backend: str | None = None,
    compile: bool = False,
    memory_budget: int | None = None,
    revision: str | None = None,
) -> ImageFlow:
    """Load a FLUX model.

    Args:
        model: ``"lab"``, ``"lab-fill"``, a folder in diffusers format, or a hub id such as
            ``"black-forest-labs/FLUX.1-dev"``.
        dtype: of the networks; by default bfloat16 on a GPU, float32 on a CPU.
        device: ``"cuda"``, ``"mps"``, ``"cpu"``; by default the best there is.
        offload: keep networks in CPU memory until they run: whole models, single layers (``"sequential"``), or
            groups of layers streamed ahead (``"group"``).
        quantization: ``"nf4"`` or ``"int8"`` (transformer and T5, by bitsandbytes, on a GPU), ``"fp8"`` (the
            transformer's weights are kept in 8 bits and computed with in ``dtype``), or the keyword arguments of
            diffusers' ``PipelineQuantizationConfig`` for any of its backends.
        transformer: a file in place of the model's own transformer: BFL's and ComfyUI's ``.safetensors``, or a
            ``.gguf``, which is quantised as it is. Everything else, also its config, comes from ``model``.
        lora: LoRA files or hub ids: one or several, each as it is, with a weight as in ``("file", 0.8)`` or
            ``"file:0.8"``. Layouts of diffusers, peft, kohya, ComfyUI and XLabs are read.
        adapter: a LoRA-MoE or LoRA to edit with: a safetensors file, a folder, a hub id, ``"lab-moe"``, ``"lab-lora"``.
        adapter_scale: its strength; 1 is as trained.
        attention_backend: one of diffusers' (``"flash"``, ``"sage"``, ``"native"``, ...).
        compile: compile the repeated transformer blocks.
        memory_budget: bytes of activations in one forward call; by default a share of the device's memory.
        revision: of the hub's model: a commit, tag or branch; by default what is there now.

    Only safetensors and GGUF are read, and code that comes with a model is never run. Raises :class:`InputError` for
    names that lead nowhere, devices and packages that are not there, and files that are damaged or of another model.
    """
    asked = {name: value for name, value in locals().items() if (load.__kwdefaults__ or {}).get(name, value) != value}
    target = checked_device(device)
    kind = checked_dtype(dtype, target)
    check_offload(offload, target)
    check_scale(adapter_scale)
    check_budget(memory_budget)
    if attention_backend:
        check_attention_backend(attention_backend)
    folder = locate(model)
    file = None if transformer is None else check_single_file(transformer)
    config = loading_config(quantization, kind, target, is_gguf(file))
    read = None if adapter is None else read_adapter(adapter)  # before minutes are spent on the model
    loras = read_loras(lora)
    at = {} if revision is None else {"revision": revision}
    with memory_advice():
        with in_one_sentence(model, folder):
            pipeline = pipeline_in(folder, kind, at, config, file)
        if read:
            read.add_to(pipeline.transformer, scale=adapter_scale)
        add_loras(pipeline, loras)
        if isinstance(quantization, str) and SHORT[quantization] == FP8:
            store_in_fp8(pipeline.transformer, kind)
        if attention_backend:
            _attend_with(pipeline.transformer, attention_backend)
        put(pipeline, offload, target)
        if compile:
            pipeline.transformer.compile_repeated_blocks()  # not as whole graphs: sizes and edits would be too many
    profile = profile_of(folder, pipeline.transformer.config, read.metadata.width if read else None)
    budget = default_budget(target, pipeline) if memory_budget is None else memory_budget
    return flow_of(pipeline, profile, name=str(model), memory_budget=budget, loading=asked)


def locate(model: str | Path) -> str:
    """What ``from_pretrained`` takes."""
    path = MODELS.get(str(model), Path(model))
    if os.path.exists(path / "model_index.json"):  # unlike Path.exists, also false for names that are too long
        return str(path)
    if os.path.isfile(path) and path.suffix in ENDINGS:
        raise InputError(
            f"{path} is one file; name the model that it belongs to, and give it as transformer={str(path)!r}."
        )
    if os.path.exists(path):
        raise InputError(f"{path} is not a model in diffusers format: it has no model_index.json.")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(model)):
        raise unknown("model", str(model), [*MODELS, "black-forest-labs/FLUX.1-dev"])
    return str(model)


def commit(model: str | Path) -> str | None:
    """The commit of the hub's model, of which only a small file is downloaded; ``None`` for what is on this machine.

    Raises :class:`InputError` for names that lead nowhere.
    """
    from huggingface_hub import hf_hub_download

    place = locate(model)
    if os.path.exists(place):
        return None
    with in_one_sentence(model, place):
        return Path(hf_hub_download(place, "model_index.json")).parent.name  # snapshots/COMMIT/model_index.json


def check_scale(scale: Any) -> None:
    """Raise :class:`InputError` for what is no ``adapter_scale``."""
    if finite(scale) is None:
        raise InputError(f"adapter_scale must be a number, 1 being as trained, not {scale!r}.")


def check_budget(budget: Any) -> None:
    """Raise :class:`InputError` for what is no ``memory_budget``."""
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, Integral) or budget < 1):
        raise InputError(f"memory_budget must be a whole number of bytes from 1 on, not {budget!r}.")


def _attend_with(transformer: Any, name: str) -> None:
    """This transformer alone: diffusers would also change what all others of the process attend with, for good."""
    from diffusers.models.attention_dispatch import attention_backend

    try:
        with attention_backend(name):
            transformer.set_attention_backend(name)
    except (ImportError, RuntimeError, ValueError) as error:  # for packages and devices that it needs
        raise InputError(f"attention_backend={name!r} cannot be used here ({first_line(error)}).") from error


def check_attention_backend(name: str) -> None:
    """Raise :class:`InputError` for a backend that diffusers does not have."""
    from diffusers.models.attention_dispatch import AttentionBackendName

    known = [backend.value for backend in AttentionBackendName]
    if name not in known:
        raise unknown("attention_backend", name, known)
