"""Where a model is put and how precise it is: devices, data types, and what waits in the CPU's memory."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import InputError, unknown

DTYPES = {
    "float32": torch.float32, "fp32": torch.float32, "bfloat16": torch.bfloat16, "bf16": torch.bfloat16,
    "float16": torch.float16, "fp16": torch.float16,
}  # fmt: skip
Offload = Literal["none", "model", "sequential", "group"]
OFFLOADS = get_args(Offload)


def checked_device(device: torch.device | str | None) -> torch.device:
    """The device called ``device``, or the best there is. Raises :class:`InputError` for one that is not there."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device is None:
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise unknown("device", str(device), ["cuda", "mps", "cpu"]) from None
    if (wanted.type == "cuda" and not cuda) or (wanted.type == "mps" and not mps):
        raise InputError(f"there is no {wanted.type} device on this machine; use device='cpu'.")
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise InputError(f"there is no {wanted}; this machine has {torch.cuda.device_count()} CUDA devices.")
    return wanted


def checked_dtype(dtype: torch.dtype | str | None, device: torch.device) -> torch.dtype:
    """The data type called ``dtype``, or what suits the device. Raises :class:`InputError` for an unknown one."""
    if dtype is None:
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    return DTYPES[dtype]


def dtype_name(dtype: str | None, device: str | None) -> str:
    """The name of what :func:`load` takes ``dtype`` for, on this machine where it depends on that.

    Raises :class:`InputError` for a device that is not there.
    """
    found = checked_dtype(None, checked_device(device)) if dtype is None else DTYPES[dtype]
    return str(found).removeprefix("torch.")


def training_attention(device: torch.device | str) -> AbstractContextManager:
    """For a forward pass and the way back. CPUs get plain attention: their flash attention takes several times as long
    to go back."""
    return sdpa_kernel(SDPBackend.MATH) if torch.device(device).type == "cpu" else nullcontext()


def check_offload(offload: str, device: torch.device) -> None:
    """Raise :class:`InputError` for a way of offloading that is not known, or that the device has no use for."""
    if offload not in OFFLOADS:
        raise unknown("offload", offload, OFFLOADS)
    if offload != "none" and device.type == "cpu":
        raise InputError(f"offload={offload!r} moves networks off a GPU, and there is none here; use offload='none'.")


def put(pipeline, offload: str, device: torch.device) -> None:
    """Move a pipeline to where it works, or set up how its parts get there in turn."""
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
