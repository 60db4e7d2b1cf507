"""From a name to a :class:`Flow`: the embedded lab model, a folder, or a hub repository."""

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any

import torch

from ..embedded import MODELS
from ..errors import InputError, first_line, memory_advice, unknown
from ..lora_moe import read_adapter
from ..lora_moe.adapter_file import is_mixture, read_adapter_weights
from ..lora_moe.config import NAME
from ..lora_moe.locate import locate as locate_adapter
from .device_placement import Offload, check_offload, checked_device, checked_dtype, put
from .families import FAMILIES, flow_of
from .families.flux_transformer import PATCH
from .image_flow import ImageFlow
from .known_models import profile_of
from .memory import default_budget

SHORT_QUANTIZATION: dict[str, dict[str, Any]] = {
    "bitsandbytes_4bit": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    "bitsandbytes_8bit": {"load_in_8bit": True},
}


def load(
    model: str | Path = "lab",
    *,
    dtype: torch.dtype | str | None = None,
    device: torch.device | str | None = None,
    offload: Offload = "none",
    quantization: str | Mapping[str, Any] | None = None,
    lora: str | Path | Sequence[str | Path] = (),
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
        quantization: ``"bitsandbytes_4bit"`` or ``"bitsandbytes_8bit"`` (transformer and T5), or the keyword
            arguments of diffusers' ``PipelineQuantizationConfig`` for any of its backends.
        lora: LoRA files or hub ids, all active at full weight.
        adapter: a LoRA-MoE or LoRA to edit with: a safetensors file, a folder, a hub id, ``"lab-moe"``, ``"lab-lora"``.
        adapter_scale: its strength; 1 is as trained.
        attention_backend: one of diffusers' (``"flash"``, ``"sage"``, ``"native"``, ...).
        compile: compile the repeated transformer blocks.
        memory_budget: bytes of activations in one forward call; by default a share of the device's memory.
        revision: of the hub's model: a commit, tag or branch; by default what is there now.

    Raises :class:`InputError` for names that lead nowhere and devices that are not there.
    """
    asked = {name: value for name, value in locals().items() if (load.__kwdefaults__ or {}).get(name, value) != value}
    target = checked_device(device)
    kind = checked_dtype(dtype, target)
    check_offload(offload, target)
    check_scale(adapter_scale)
    check_budget(memory_budget)
    folder = locate(model)
    read = None if adapter is None else read_adapter(adapter)  # before minutes are spent on the model
    extra = {"quantization_config": _quantization(quantization, kind)} if quantization else {}
    at = {} if revision is None else {"revision": revision}
    with memory_advice(), in_one_sentence(model):
        pipeline = _pipeline(folder, kind, extra, at)
        if read:
            read.add_to(pipeline.transformer, scale=adapter_scale)
        _add_loras(pipeline, [lora] if isinstance(lora, str | Path) else lora)
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
    with in_one_sentence(model):
        return Path(hf_hub_download(place, "model_index.json")).parent.name  # snapshots/COMMIT/model_index.json


def _pipeline(folder: str, dtype: torch.dtype, extra: Mapping[str, Any], at: Mapping[str, str]):
    import diffusers

    diffusers.utils.logging.disable_progress_bar()
    config: Any = diffusers.DiffusionPipeline
    kind = config.load_config(folder, **at).get("_class_name")
    if kind not in FAMILIES.table:
        raise InputError(f"{folder} is a {kind}; the models that can be loaded are {' and '.join(FAMILIES)}.")
    pipeline = getattr(diffusers, kind).from_pretrained(folder, dtype=dtype, **extra, **at)
    pipeline.set_progress_bar_config(disable=True)
    latent, taken = pipeline.vae.config.latent_channels * PATCH**2, pipeline.transformer.config.in_channels
    filled = 2 * latent + (PATCH * pipeline.vae_scale_factor) ** 2
    if taken != (wanted := {"FluxPipeline": latent, "FluxFillPipeline": filled}[kind]):
        raise InputError(f"{folder} takes {taken} channels a token where a {kind} takes {wanted}: a control model?")
    return pipeline


def check_scale(scale: Any) -> None:
    """Raise :class:`InputError` for what is no ``adapter_scale``."""
    if isinstance(scale, bool) or not isinstance(scale, Real) or not math.isfinite(scale):
        raise InputError(f"adapter_scale must be a number, 1 being as trained, not {scale!r}.")


def check_budget(budget: Any) -> None:
    """Raise :class:`InputError` for what is no ``memory_budget``."""
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int) or budget < 1):
        raise InputError(f"memory_budget must be a whole number of bytes from 1 on, not {budget!r}.")


def check_quantization(quantization: str | Mapping[str, Any]) -> None:
    """Raise :class:`InputError` for the short name of a quantisation that is not known."""
    if isinstance(quantization, str) and quantization not in SHORT_QUANTIZATION:
        raise unknown("quantization", quantization, SHORT_QUANTIZATION)


def _attend_with(transformer: Any, name: str) -> None:
    """This transformer alone: diffusers would also change what all others of the process attend with, for good."""
    from diffusers.models.attention_dispatch import attention_backend

    with attention_backend(name):
        transformer.set_attention_backend(name)


def check_attention_backend(name: str) -> None:
    """Raise :class:`InputError` for a backend that diffusers does not have."""
    from diffusers.models.attention_dispatch import AttentionBackendName

    known = [backend.value for backend in AttentionBackendName]
    if name not in known:
        raise unknown("attention_backend", name, known)


def _add_loras(pipeline, loras: Sequence[str | Path]) -> None:
    names = [f"lora{index}" for index in range(len(loras))]
    for name, source in zip(names, loras, strict=True):
        path = locate_adapter(source)
        if is_mixture(keys := pipeline.lora_state_dict(str(path))):
            read_adapter_weights(path)  # raises for those that adapter= cannot read either
            raise InputError(f"{source} is a mixture of experts and no plain LoRA; give it as adapter=.")
        pipeline.load_lora_weights(str(path), adapter_name=name)
        _check_loaded(pipeline.transformer, keys, name, source)
    if names:
        for network in (pipeline.transformer, pipeline.text_encoder):  # each load left only its own active
            known = getattr(network, "peft_config", {})
            if active := [name for name in (NAME, *names) if name in known]:
                network.set_adapter(active)


def _check_loaded(transformer, keys: Iterable[str], name: str, source: str | Path) -> None:
    """Raise :class:`InputError` where diffusers left out layers of a LoRA, of which it only warns."""
    layers = {key.removeprefix("transformer.").partition(".lora_")[0] for key in keys if key.startswith("transformer.")}
    there = {module for module, layer in transformer.named_modules() if name in getattr(layer, "lora_A", {})}
    if layers and (lost := sorted(layers - there)):
        few = f"{len(lost)} of its layers are not here, such as {lost[0]}"
        raise InputError(f"{source} is a LoRA of another model: {few}.")


@contextmanager
def in_one_sentence(model: str | Path) -> Iterator[None]:
    """Turn what diffusers, safetensors and the hub raise into an :class:`InputError`."""
    from safetensors import SafetensorError

    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, ImportError, KeyError, SafetensorError) as error:
        raise InputError(
            f"the model {str(model)!r} cannot be loaded ({first_line(error)}); check the name and the network, and for "
            "FLUX.1-dev accept its licence on the hub and log in with `hf auth login`."
        ) from error


def _quantization(quantization: str | Mapping[str, Any], dtype: torch.dtype):
    from diffusers import PipelineQuantizationConfig

    if isinstance(quantization, str):
        check_quantization(quantization)
        options = SHORT_QUANTIZATION[quantization]
        compute = {"bnb_4bit_compute_dtype": dtype} if "load_in_4bit" in options else {}
        quantization = {
            "quant_backend": quantization,
            "quant_kwargs": {**options, **compute},
            "components_to_quantize": ["transformer", "text_encoder_2"],
        }
    try:
        return PipelineQuantizationConfig(**quantization)
    except (TypeError, ValueError, ImportError) as error:
        raise InputError(f"diffusers does not accept this quantization: {first_line(error)}.") from None
