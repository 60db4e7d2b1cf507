"""A transformer in one file, as BFL, ComfyUI and GGUF tools write it; its config comes from the model it belongs to."""

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, needed
from ..lora_moe.lora_layouts import BFL_NAMES, DIFFUSERS_NAMES

ENDINGS = (".safetensors", ".sft", ".gguf")
PREFIX = re.compile(r"^(model\.)?diffusion_model\.")
FLUX_WIDTH = 3072  # at which diffusers splits a fused layer, whatever the width of the model


def check_single_file(file: Any) -> Path:
    """The path. Raises :class:`InputError` for what is no file that a transformer can come from."""
    if not isinstance(file, str | Path) or not str(file).strip():
        raise InputError(f"transformer must be a file, not {file!r}.")
    path = Path(file)
    if path.suffix not in ENDINGS:
        raise InputError(f"transformer={str(file)!r} is no {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]} file.")
    if not os.path.isfile(path):
        raise InputError(f"there is no file {str(file)!r}; download it and give its path as transformer=.")
    if path.suffix == ".gguf":
        needed("gguf", "a GGUF file")
    return path


def is_gguf(path: Path | None) -> bool:
    return path is not None and path.suffix == ".gguf"


def transformer_in(path: Path, base: str, at: Mapping[str, str], dtype: torch.dtype, quantization: Any) -> Any:
    """The transformer in ``path``, made as the model ``base`` says. ``quantization`` is one of diffusers' configs, for
    a file that is not quantised itself.

    Raises :class:`InputError` for files of another model, and ones that are not whole.
    """
    from diffusers import FluxTransformer2DModel, GGUFQuantizationConfig

    kind: Any = FluxTransformer2DModel
    with torch.device("meta"):
        wanted = kind.from_config(kind.load_config(base, subfolder="transformer", **at)).state_dict()
    weights = _by_diffusers_names(path, _read(path))
    for said, names in (("lacks", wanted.keys() - weights.keys()), ("adds", weights.keys() - wanted.keys())):
        if names:
            few = f"{said} {len(names)} weights, such as {min(names)}"
            raise InputError(f"{path} {few}, compared with {base}; give the model that it belongs to.")
    for name, weight in weights.items():
        if not hasattr(weight, "quant_type") and weight.shape != (shape := wanted[name].shape):
            raise InputError(f"{path} is of another model than {base}: {name} is {[*weight.shape]}, not {[*shape]}.")
    return kind.from_single_file(
        weights, config=base, subfolder="transformer", config_revision=at.get("revision"), dtype=dtype,
        quantization_config=GGUFQuantizationConfig(compute_dtype=dtype) if is_gguf(path) else quantization,
    )  # fmt: skip


def _read(path: Path) -> dict[str, Tensor]:
    if is_gguf(path):
        from diffusers.models.model_loading_utils import load_gguf_checkpoint

        return load_gguf_checkpoint(str(path))
    from safetensors.torch import load_file

    return load_file(path)


def _by_diffusers_names(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefixed = {PREFIX.sub("", key): tensor for key, tensor in tensors.items() if PREFIX.match(key)}
    if prefixed and len(prefixed) < len(tensors):
        warnings.warn(f"{path} has other networks too; only its transformer is taken from it.", stacklevel=4)
    weights = prefixed or dict(tensors)
    tops = {key.partition(".")[0] for key in weights}
    if tops <= set(DIFFUSERS_NAMES):
        return weights
    if strange := sorted(tops - set(BFL_NAMES)):
        raise InputError(f"{path} is not a FLUX.1 transformer: it has weights of {strange[0]!r}.")
    return _from_bfl(path, weights)


def _from_bfl(path: Path, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """diffusers' converter, but for the layer that it splits at one width only."""
    from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers

    split: dict[str, Tensor] = {}
    for key in [key for key in weights if ".linear1." in key]:
        width, (_, block, _, side) = len(weights[key]) // 7, key.split(".")
        parts = torch.split(weights[key], [width, width, width, len(weights[key]) - 3 * width])
        for layer, rows in zip(("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"), parts, strict=True):
            split[f"single_transformer_blocks.{block}.{layer}.{side}"] = torch.cat([rows])
        weights[key] = torch.empty(7 * FLUX_WIDTH)
    try:
        made = convert_flux_transformer_checkpoint_to_diffusers(weights)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} is not a whole FLUX.1 transformer: {error} is missing.") from None
    if weights:  # the converter takes out what it knows
        raise InputError(f"{path} has weights that are not a FLUX.1 transformer's, such as {min(weights)}.")
    return made | split
