"""The files of one network of a model, looked at before anything is built as its config says."""

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from ..lora_moe.locate import PICKLES

MOST_LAYERS = 1000
LARGEST = 2**18  # whole number in a config: all the words of a large vocabulary
VARIANT = re.compile(r"(?:diffusion_pytorch_)?model\.(\w+)(?:-\d+-of-\d+)?\.safetensors")
SMALLEST = 0.5  # bytes of a weight, however it is quantised


def check_config(place: str, name: str, at: Mapping[str, str]) -> dict[str, Any]:
    """The config of network ``name``. Raises :class:`InputError` for what is none, and for networks that would take
    minutes to build."""
    from diffusers import FluxTransformer2DModel

    check_encoding(Path(place, name, "config.json"))
    config: Any = FluxTransformer2DModel.load_config(place, subfolder=name, **at)  # of any class
    if not isinstance(config, dict):
        kind = type(config).__name__
        raise InputError(f"the {name} of {place} cannot be loaded: its config.json is a {kind}, and no object.")
    for key, value in config.items():
        for number in value if isinstance(value, list) else [value]:
            most = MOST_LAYERS if "layers" in key else LARGEST
            if isinstance(number, int) and abs(number) > most:
                raise InputError(f"the {name} of {place} has {key} {number}, which is over {most}; download it again.")
    return config


def check_encoding(path: Path) -> None:
    """Raise :class:`InputError` for JSON with a mark before it, which the libraries cannot read."""
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(BOM_UTF8)) == BOM_UTF8:
                raise InputError(f"{path} begins with a byte order mark; save it as UTF-8 without one.")


def check_weights(place: str, name: str, kind: Any, config: dict[str, Any]) -> None:
    """Raise :class:`InputError` where a folder has no weights that are read, or fewer than the config asks for."""
    if not (folder := Path(place, name)).is_dir():  # of the hub
        return
    files = sorted(folder.iterdir())
    weights = [file for file in files if file.suffix == ".safetensors"]
    if not weights and (pickles := [file.name for file in files if file.suffix in PICKLES]):
        raise InputError(f"the {name} of {place} is in {pickles[0]}, maybe a pickle; only safetensors are read.")
    variants = [found[1] for file in weights if (found := VARIANT.fullmatch(file.name))]
    if variants and len(variants) == len(weights):
        raise InputError(
            f"the {name} of {place} has only the variant {variants[0]!r}; download the files without it in their names."
        )
    if weights and hasattr(kind, "from_config"):  # diffusers builds what the config says before it looks into files
        with torch.device("meta"):
            asked = sum(parameter.numel() for parameter in kind.from_config(config).parameters())
        if SMALLEST * asked > (size := sum(file.stat().st_size for file in weights)):
            raise InputError(
                f"the {name} of {place} is not whole: its config asks for {asked:,} weights, and its files have "
                f"{size:,} bytes; download it again."
            )
