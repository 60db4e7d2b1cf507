"""Adapter files: the published LoRA-MoE layout and plain LoRA, told apart by their keys."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import InputError, first_line
from ...files import written
from .config import LoraMoeConfig, Router

FILE_NAME = "pytorch_lora_weights.safetensors"
KEY = re.compile(
    r"transformer\.(?P<module>.+)\.(?:lora_(?P<side>[AB])(?:\.expert_(?P<expert>\d+))?|(?P<route>lora_route))\.weight"
)


@dataclass
class Part:
    """One module's adapter: an expert each in ``a`` ``[rank, in]`` and ``b`` ``[out, rank]``; plain LoRA has one."""

    a: dict[int, Tensor] = field(default_factory=dict)
    b: dict[int, Tensor] = field(default_factory=dict)
    route: Tensor | None = None  # [experts, in]

    @property
    def rank(self) -> int:
        return len(next(iter(self.a.values())))

    def problem(self) -> str | None:
        """What is wrong with it, if anything."""
        if not self.a or sorted(self.a) != sorted(self.b) or sorted(self.a) != list(range(len(self.a))):
            return "its experts are not complete"
        if len({tuple(a.shape) for a in self.a.values()} | {tuple(b.shape[::-1]) for b in self.b.values()}) > 2:
            return "its experts differ in shape"
        if self.route is None and len(self.a) > 1:
            return "it has experts and no router"
        if self.route is not None and len(self.route) != len(self.a):
            return f"its router knows {len(self.route)} experts and there are {len(self.a)}"
        return None

    def stacked(self) -> dict[str, Tensor]:
        """As the layer holds it."""
        order = sorted(self.a)
        tensors = {"lora_A": torch.cat([self.a[i] for i in order]), "lora_B": torch.cat([self.b[i] for i in order], 1)}
        return tensors if self.route is None else {**tensors, "lora_route": self.route}


def load_adapter(
    transformer: Any,
    source: str | Path,
    name: str = "adapter",
    *,
    top_k: int = 1,
    router: Router = "published",
    scale: float = 1.0,
) -> LoraMoeConfig:
    """Add the adapter in ``source`` (a safetensors file, a folder, or a hub id) to ``transformer`` and activate it.

    Rank and number of experts come from the file; ``top_k`` and ``router`` are not stored there. alpha is the rank, as
    published. ``scale`` multiplies plain and expert parts alike. Returns the configuration that was found.

    Raises :class:`InputError` for what is not an adapter, is one for another model, or mixes what it does not say.
    """
    path = _locate(source)
    parts = read_parts(path)
    _check_shapes(path, parts, transformer)
    mixed = [module for module, part in parts.items() if part.route is not None]
    experts = {len(parts[module].a) for module in mixed} or {1}
    if len(experts) > 1:
        raise InputError(f"{path} has mixtures of {sorted(experts)} experts; one adapter has one number.")
    ranks = {module: part.rank for module, part in parts.items()}
    rank = max(ranks.values())
    config = LoraMoeConfig(
        experts=experts.pop(), rank=rank, alpha=rank, top_k=top_k if mixed else 1, router=router,
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
    with written(path) as partial:
        save_file(tensors, partial, metadata={"format": "pt"})
    return path


def _published(module: nn.Module, name: str) -> dict[str, Tensor]:
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    if name not in getattr(module, "lora_route", {}):
        return {"lora_A": a, "lora_B": b}
    count = module.lora_route[name].out_features
    experts = {f"lora_A.expert_{index}": part for index, part in enumerate(a.chunk(count))}
    experts |= {f"lora_B.expert_{index}": part for index, part in enumerate(b.chunk(count, dim=1))}
    return {**experts, "lora_route": module.lora_route[name].weight}


def read_parts(path: Path) -> dict[str, Part]:
    """The adapter's parts by module name. Raises :class:`InputError` for files that are not adapters."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({first_line(error)}); download it again.") from None
    parts: dict[str, Part] = defaultdict(Part)
    for key, tensor in tensors.items():
        found = KEY.fullmatch(key)
        if found is None:
            raise InputError(f"{path} is not a LoRA or LoRA-MoE adapter of a FLUX transformer: it has {key!r}.")
        part, expert = parts[found["module"]], int(found["expert"] or 0)
        if found["route"]:
            part.route = tensor
        else:
            (part.a if found["side"] == "A" else part.b)[expert] = tensor
    if not parts:
        raise InputError(f"{path} is empty; it is not an adapter.")
    for module, part in parts.items():
        if problem := part.problem():
            raise InputError(f"{path} is not a complete adapter: of {module}, {problem}.")
    return dict(parts)


def _check_shapes(path: Path, parts: dict[str, Part], transformer: Any) -> None:
    """Raise :class:`InputError` unless every part fits a linear layer of ``transformer``."""
    layers = dict(transformer.named_modules())
    for module, part in parts.items():
        layer = layers.get(module)
        layer = getattr(layer, "base_layer", layer)
        if not isinstance(layer, nn.Linear):
            raise InputError(f"{path} is an adapter of another model: this one has no linear layer {module!r}.")
        wanted, found = (layer.in_features, layer.out_features), (part.a[0].shape[1], part.b[0].shape[0])
        if wanted != found:
            raise InputError(f"{path} is an adapter of another model: {module} maps {wanted} here, {found} there.")


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
