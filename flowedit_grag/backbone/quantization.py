"""Smaller weights: short names for the ways that diffusers has, and what each of them needs."""

from collections.abc import Mapping
from typing import Any

import torch

from ..errors import InputError, first_line, needed, unknown

NF4, INT8, FP8, GGUF = "nf4", "int8", "fp8", "gguf"
SHORT = {
    NF4: NF4, INT8: INT8, FP8: FP8, GGUF: GGUF, "bitsandbytes_4bit": NF4, "bitsandbytes_8bit": INT8,
}  # fmt: skip
BITSANDBYTES: dict[str, tuple[str, dict[str, Any]]] = {  # diffusers' backend and its options
    NF4: ("bitsandbytes_4bit", {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}),
    INT8: ("bitsandbytes_8bit", {"load_in_8bit": True}),
}
PACKAGES = {
    "bitsandbytes_4bit": "bitsandbytes", "bitsandbytes_8bit": "bitsandbytes", "torchao": "torchao", "gguf": "gguf",
}  # fmt: skip
LARGE = ("transformer", "text_encoder_2")
Quantization = str | Mapping[str, Any]


def check_quantization(quantization: Any, gguf: bool) -> None:
    """Raise :class:`InputError` for the short name of a quantisation that is not known, or does not go with the
    transformer's file, which is ``gguf`` or not."""
    if not isinstance(quantization, str | Mapping | None):
        raise InputError(f"quantization must be text or a mapping, not {quantization!r}.")
    if isinstance(quantization, str) and quantization not in SHORT:
        raise unknown("quantization", quantization, SHORT)
    if quantization == GGUF and not gguf:
        raise InputError(
            "quantization='gguf' is how a file is stored: give that file, as transformer='flux1-dev.gguf'."
        )
    if quantization == FP8 and gguf:
        raise InputError(
            "quantization='fp8' is of the transformer, and a GGUF file is quantised as it is; leave it out."
        )


def loading_config(quantization: Quantization | None, dtype: torch.dtype, device: torch.device, gguf: bool) -> Any:
    """What diffusers' ``from_pretrained`` takes for ``quantization``; ``None`` where weights are loaded as they are.

    Raises :class:`InputError` for unknown names, packages that are missing, and what ``device`` cannot do. ``gguf``:
    whether the transformer comes from a GGUF file.
    """
    check_quantization(quantization, gguf)
    short = SHORT[quantization] if isinstance(quantization, str) else None
    if short == FP8 and device.type == "mps":
        raise InputError("quantization='fp8' does not run on mps; use a GGUF file as transformer=, or none.")
    if not quantization or short in (FP8, GGUF):
        return None
    if not isinstance(quantization, str):
        return _own(quantization)
    assert short
    if device.type != "cuda":
        raise InputError(f"quantization={quantization!r} needs a CUDA GPU; here use a GGUF file, 'fp8' (CPU), or none.")
    backend, options = BITSANDBYTES[short]
    needed(PACKAGES[backend], f"quantization={quantization!r}")
    compute = {"bnb_4bit_compute_dtype": dtype} if short == NF4 else {}
    return _own({"quant_backend": backend, "quant_kwargs": {**options, **compute}, "components_to_quantize": [*LARGE]})


def _own(options: Mapping[str, Any]) -> Any:
    from diffusers import PipelineQuantizationConfig

    if package := PACKAGES.get(str(options.get("quant_backend"))):
        needed(package, f"quantization by {options['quant_backend']}")
    try:
        return PipelineQuantizationConfig(**options)
    except (TypeError, ValueError, ImportError) as error:
        raise InputError(f"diffusers does not accept this quantization: {first_line(error)}.") from None


def of_component(config: Any, name: str, library: str) -> Any:
    """What a pipeline's ``config`` says of its network ``name``, which is of ``library``; ``None`` for nothing."""
    return None if config is None else config._resolve_quant_config(library == "diffusers", name)


def store_in_fp8(transformer: Any, dtype: torch.dtype) -> None:
    """Keep the weights of ``transformer`` in 8 bits and compute in ``dtype``; diffusers leaves norms and adapters as
    they are."""
    transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
