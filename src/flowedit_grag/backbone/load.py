"""From a name to a :class:`Flow`: the embedded lab model, a folder, or a hub repository."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from ..errors import InputError, unknown
from .flow import Flow
from .profile import FILE_NAME, FLUX_DEV, Profile

EMBEDDED = {"lab": Path(__file__).parent.parent / "lab" / "weights"}
DTYPES = {
    "float32": torch.float32, "fp32": torch.float32, "bfloat16": torch.bfloat16, "bf16": torch.bfloat16,
    "float16": torch.float16, "fp16": torch.float16,
}  # fmt: skip
Offload = Literal["none", "model", "sequential", "group"]
OFFLOADS = get_args(Offload)


def load(
    model: str | Path = "lab",
    *,
    dtype: torch.dtype | str | None = None,
    device: torch.device | str | None = None,
    offload: Offload = "none",
    quantization: str | Mapping[str, Any] | None = None,
    lora: str | Path | Sequence[str | Path] = (),
    attention_backend: str | None = None,
    compile: bool = False,
    memory_budget: int | None = None,
) -> Flow:
    """Load a FLUX model.

    Args:
        model: ``"lab"``, a folder in diffusers format, or a hub id such as ``"black-forest-labs/FLUX.1-dev"``.
        dtype: of the networks; by default bfloat16 on a GPU, float32 on a CPU.
        device: ``"cuda"``, ``"mps"``, ``"cpu"``; by default the best there is.
        offload: keep networks in CPU memory until they run: whole models, single layers (``"sequential"``), or
            groups of layers streamed ahead (``"group"``).
        quantization: a diffusers backend name (``"bitsandbytes_4bit"``, ``"torchao"``, ...) or the keyword arguments
            of diffusers' ``PipelineQuantizationConfig``; a bare name quantises transformer and T5.
        lora: LoRA files or hub ids, fused into nothing: they stay switchable.
        attention_backend: one of diffusers' (``"flash"``, ``"sage"``, ``"native"``, ...).
        compile: compile the repeated transformer blocks.
        memory_budget: bytes of activations in one forward call; by default half of what is free.

    Raises :class:`InputError` for names that lead nowhere and devices that are not there.
    """
    import diffusers

    target = _device(device)
    folder, profile = _locate(model)
    kind = _dtype(dtype, target)
    _check_offload(offload, target)
    extra = {"quantization_config": _quantization(quantization)} if quantization else {}
    diffusers.utils.logging.disable_progress_bar()
    try:
        pipeline = diffusers.FluxPipeline.from_pretrained(folder, dtype=kind, **extra)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(_why_not(model, error)) from error
    pipeline.set_progress_bar_config(disable=True)
    for adapter in [lora] if isinstance(lora, str | Path) else lora:
        pipeline.load_lora_weights(str(adapter))
    if attention_backend:
        pipeline.transformer.set_attention_backend(attention_backend)
    _place(pipeline, offload, target)
    if compile:
        pipeline.transformer.compile_repeated_blocks(fullgraph=True)
    return Flow(pipeline, profile, name=str(model), memory_budget=memory_budget)


def _locate(model: str | Path) -> tuple[str, Profile]:
    """What ``from_pretrained`` takes, and the model's profile."""
    path = EMBEDDED.get(str(model), Path(model))
    if (path / "model_index.json").exists():
        return str(path), Profile.read(path)
    if path.exists():
        raise InputError(f"{path} is not a model in diffusers format: it has no model_index.json.")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(model)):
        raise unknown(
            "model", str(model), [*EMBEDDED, "black-forest-labs/FLUX.1-dev", "black-forest-labs/FLUX.1-schnell"]
        )
    return str(model), FLUX_DEV if "FLUX.1" in str(model) else Profile()


def _why_not(model: str | Path, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"the model {str(model)!r} cannot be loaded ({reason}); check the name and the network, "
        "and for FLUX.1-dev accept its licence on the hub and log in with `hf auth login`."
    )


def _device(device: torch.device | str | None) -> torch.device:
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device is None:
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise unknown("device", str(device), ["cuda", "mps", "cpu"]) from None
    if (wanted.type == "cuda" and not cuda) or (wanted.type == "mps" and not mps):
        raise InputError(f"there is no {wanted.type} device on this machine; use device='cpu'.")
    return wanted


def _dtype(dtype: torch.dtype | str | None, device: torch.device) -> torch.dtype:
    if dtype is None:
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    return DTYPES[dtype]


def _check_offload(offload: str, device: torch.device) -> None:
    if offload not in OFFLOADS:
        raise unknown("offload", offload, OFFLOADS)
    if offload != "none" and device.type == "cpu":
        raise InputError(f"offload={offload!r} moves networks off a GPU, and there is none here; use offload='none'.")


def _quantization(quantization: str | Mapping[str, Any]):
    from diffusers import PipelineQuantizationConfig

    if isinstance(quantization, str):
        bits = {"load_in_4bit": True} if quantization.endswith("4bit") else {}
        bits = {"load_in_8bit": True} if quantization.endswith("8bit") else bits
        quantization = {
            "quant_backend": quantization,
            "quant_kwargs": bits,
            "components_to_quantize": ["transformer", "text_encoder_2"],
        }
    try:
        return PipelineQuantizationConfig(**quantization)
    except (TypeError, ValueError) as error:
        raise InputError(f"diffusers does not accept the quantization {quantization!r}: {error}.") from None


def _place(pipeline, offload: str, device: torch.device) -> None:
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    elif offload == "group":
        pipeline.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="leaf_level",
            use_stream=device.type == "cuda",
        )
    else:
        pipeline.to(device)


__all__ = ["EMBEDDED", "FILE_NAME", "load"]
