"""Adapter files: found, loaded into a transformer, and written in the published layout."""

import json
import re
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...errors import InputError, first_line
from ...files import written
from .config import LoraMoeConfig, Router
from .parts import check_shapes, read_parts

FILE_NAME = "pytorch_lora_weights.safetensors"
NOTES = "flowedit_grag"  # key in a file's metadata


def load_adapter(
    transformer: Any,
    source: str | Path,
    name: str = "adapter",
    *,
    top_k: int | None = None,
    router: Router | None = None,
    scale: float = 1.0,
) -> LoraMoeConfig:
    """Add the adapter in ``source`` (a safetensors file, a folder, or a hub id) to ``transformer`` and activate it.

    Rank and number of experts come from the file, and so do ``top_k`` and ``router`` where :func:`save_adapter` wrote
    it; by default they are what was published, 1 and ``"published"``. alpha is the rank, as published. ``scale``
    multiplies plain and expert parts alike. Returns the configuration that was found.

    Raises :class:`InputError` for what is not an adapter, is one for another model, or mixes what it does not say.
    """
    path = _locate(source)
    parts, noted = read_parts(path), _noted(path)
    check_shapes(path, parts, transformer)
    mixed = [module for module, part in parts.items() if part.route is not None]
    experts = {len(parts[module].a) for module in mixed} or {1}
    if len(experts) > 1:
        raise InputError(f"{path} has mixtures of {sorted(experts)} experts; one adapter has one number.")
    ranks = {module: part.rank for module, part in parts.items()}
    rank = max(ranks.values())
    config = LoraMoeConfig(
        experts=experts.pop(), rank=rank, alpha=rank, top_k=(top_k or noted["top_k"]) if mixed else 1,
        router=router or noted["router"],
        mixtures=_any_of(mixed), plain=_any_of([module for module in parts if module not in mixed]),
    )  # fmt: skip
    other = {re.escape(module): own for module, own in ranks.items() if own != rank}
    transformer.add_adapter(config.peft(other), adapter_name=name)
    weights = {
        f"{module}.{key}.{name}.weight": tensor
        for module, part in parts.items()
        for key, tensor in part.stacked().items()
    }
    strange = transformer.load_state_dict(weights, strict=False).unexpected_keys
    if strange:
        raise InputError(f"{path} cannot join a plain adapter that was loaded without this package ({strange[0]}).")
    transformer.set_adapters([name], [scale])
    return config


def save_adapter(transformer: Any, path: str | Path, name: str = "adapter") -> Path:
    """Write adapter ``name`` in the published layout. Returns the file; ``path`` may be a folder."""
    from safetensors.torch import save_file

    path = Path(path)
    path = path if path.suffix == ".safetensors" else path / FILE_NAME
    tensors: dict[str, Tensor] = {}
    for module_name, module in transformer.named_modules():
        if name in getattr(module, "lora_A", {}):
            for key, tensor in _published(module, name).items():
                tensors[f"transformer.{module_name}.{key}.weight"] = tensor.detach().contiguous().cpu()
    if not tensors:
        raise InputError(f"there is no adapter called {name!r} to save.")
    config = transformer.peft_config[name]
    chosen = {"top_k": getattr(config, "top_k", 1), "router": getattr(config, "router", "published")}
    with written(path) as partial:
        save_file(tensors, partial, metadata={"format": "pt", NOTES: json.dumps(chosen)})
    return path


def _noted(path: Path) -> dict[str, Any]:
    """``top_k`` and ``router`` as :func:`save_adapter` noted them beside the weights, or else as published."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        notes = (file.metadata() or {}).get(NOTES, "{}")
    try:
        noted = json.loads(notes)
        return {"top_k": int(noted.get("top_k", 1)), "router": noted.get("router", "published")}
    except (ValueError, TypeError, AttributeError):
        raise InputError(f"{path} has notes that cannot be read: {notes[:60]!r}.") from None


def _published(module: nn.Module, name: str) -> dict[str, Tensor]:
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    if name not in getattr(module, "lora_route", {}):
        return {"lora_A": a, "lora_B": b}
    count = module.lora_route[name].out_features
    experts = {f"lora_A.expert_{index}": part for index, part in enumerate(a.chunk(count))}
    experts |= {f"lora_B.expert_{index}": part for index, part in enumerate(b.chunk(count, dim=1))}
    return {**experts, "lora_route": module.lora_route[name].weight}


def _locate(source: str | Path) -> Path:
    path = Path(source)
    if path.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl"):
        raise InputError(f"{path} may be a pickle, which can run code when it is loaded; only safetensors are read.")
    if path.is_file():
        return path
    if path.is_dir():
        files = sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            raise InputError(f"{path} has {len(files)} safetensors files; name one of them.")
        return files[0]
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        raise InputError(f"there is no adapter at {str(source)!r}; give a safetensors file, a folder or a hub id.")
    return _downloaded(str(source))


def _downloaded(repository: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(hf_hub_download(repository, FILE_NAME))
    except (HfHubHTTPError, OSError) as error:
        raise InputError(f"the adapter {repository!r} cannot be downloaded ({first_line(error)}).") from None


def _any_of(modules: list[str]) -> str:
    return "|".join(re.escape(module) for module in modules)
