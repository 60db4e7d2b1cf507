"""Adapter files: found, loaded into a transformer, and written in the published layout."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from ..errors import InputError
from ..files import written
from .adapter_file import ModuleWeights, adapter_weights, is_mixture, is_published, read_tensors
from .config import NAME, LoraMoeConfig, Router
from .layer import MixtureLinear
from .locate import FILE_NAME, locate
from .lora_layouts import standard
from .metadata import AdapterMetadata

FIRST = "x_embedder"


@dataclass(frozen=True)
class Adapter:
    """A file that has been read and found whole, and not yet compared with a model."""

    path: Path
    modules: dict[str, ModuleWeights]
    metadata: AdapterMetadata

    def add_to(
        self, transformer: Any, name: str = NAME, *, top_k: int | None = None, router: Router | None = None,
        scale: float = 1.0,
    ) -> LoraMoeConfig:  # fmt: skip
        """Add it to ``transformer`` and activate it alone; see :func:`load_adapter`."""
        if not name or "." in name:  # which torch does not take as a module's name
            raise InputError(f"an adapter cannot be called {name!r}; give it a name without dots.")
        if name in getattr(transformer, "peft_config", {}):
            raise InputError(f"the model already has an adapter called {name!r}; unload it, or load the model again.")
        self._check_fits(transformer)
        config, ranks = self._config(top_k, router), {module: weights.rank for module, weights in self.modules.items()}
        others = {f"^{re.escape(module)}": own for module, own in ranks.items() if own != config.rank}
        biased = any(weights.bias is not None for weights in self.modules.values())
        dora = any(weights.magnitude is not None for weights in self.modules.values())
        transformer.add_adapter(config.peft(others, lora_bias=biased, use_dora=dora), adapter_name=name)
        tensors = {
            f"{module}.{key}": tensor
            for module, weights in self.modules.items()
            for key, tensor in weights.stacked(name, biased).items()
        }
        if (first := f"{FIRST}.lora_A.{name}.weight") in tensors:
            missing = transformer.get_submodule(FIRST).in_features - tensors[first].shape[1]
            tensors[first] = nn.functional.pad(tensors[first], (0, missing))
        transformer.load_state_dict(tensors, strict=False)
        for layer in (module for module in transformer.modules() if isinstance(module, LoraLayer)):
            layer.set_scale(name, scale)
        transformer.set_adapter(name)
        return config

    def _config(self, top_k: int | None, router: Router | None) -> LoraMoeConfig:
        mixed = [module for module, weights in self.modules.items() if weights.route is not None]
        experts = {len(self.modules[module].a) for module in mixed} or {1}
        if len(experts) > 1:
            raise InputError(f"{self.path} has mixtures of {sorted(experts)} experts; one adapter has one number.")
        rank = max(weights.rank for weights in self.modules.values())
        try:
            return LoraMoeConfig(
                experts=experts.pop(), rank=rank, alpha=self.metadata.alpha_over_rank * rank,
                top_k=(self.metadata.top_k if top_k is None else top_k) if mixed else 1,
                router=router or self.metadata.router,
                mixtures="|".join(map(re.escape, mixed)),
                plain="|".join(re.escape(module) for module in self.modules if module not in mixed),
            )  # fmt: skip
        except InputError as error:
            raise InputError(f"{self.path} cannot be loaded so: {error}") from None

    def _check_fits(self, transformer: Any) -> None:
        """Every module needs a linear layer of its shape, and a mixture one without a LoRA of peft's own."""
        kind = "a LoRA" if all(weights.route is None for weights in self.modules.values()) else "an adapter"
        layers, other = dict(transformer.named_modules()), f"{self.path} is {kind} of another model"
        linears: dict[str, Any] = {
            module: getattr(layers.get(module), "base_layer", layers.get(module)) for module in self.modules
        }
        if lost := [module for module, linear in linears.items() if not isinstance(linear, nn.Linear)]:
            raise InputError(f"{other}: {len(lost)} of its layers are not here, such as {lost[0]}.")
        for module, weights in self.modules.items():
            layer, linear = layers[module], linears[module]
            wanted, found = (linear.in_features, linear.out_features), (weights.a[0].shape[1], weights.b[0].shape[0])
            if module == FIRST and found[0] == transformer.config.out_channels:  # first of a Fill model's channels
                found = (wanted[0], found[1])
            if wanted != found:
                raise InputError(f"{other}: {module} maps {wanted} here, {found} there.")
            if weights.route is not None and isinstance(layer, LoraLayer) and not isinstance(layer, MixtureLinear):
                raise InputError(
                    f"{self.path} is a mixture and cannot join a LoRA that is already there, in {module}; "
                    "load it first, as adapter=, and LoRAs after it."
                )


def read_adapter(source: str | Path) -> Adapter:
    """The adapter in ``source``: a safetensors file, a folder, or a hub id.

    Raises :class:`InputError` for what is not an adapter, or not a whole one.
    """
    path = locate(source)
    tensors = read_tensors(path)
    if is_mixture(tensors) or is_published(tensors):
        return Adapter(path, adapter_weights(path, tensors), AdapterMetadata.of(path))
    found = standard(path, tensors)
    if set(found) != {"transformer"}:
        raise InputError(f"{path} has weights for a text encoder too; give it as lora=, which takes them.")
    return Adapter(path, found["transformer"], AdapterMetadata())


def read_lora(source: str | Path) -> dict[str, Adapter]:
    """The plain LoRA in ``source`` as an adapter for each network, ``"transformer"`` or ``"text_encoder"``.

    Raises :class:`InputError` for what is not a LoRA, not a whole one, or one whose layout cannot be translated.
    """
    path = locate(source)
    tensors = read_tensors(path)
    if is_mixture(tensors):
        adapter_weights(path, tensors)  # raises for those that adapter= cannot read either
        raise InputError(f"{source} is a mixture of experts and no plain LoRA; give it as adapter=.")
    return {network: Adapter(path, modules, AdapterMetadata()) for network, modules in standard(path, tensors).items()}


def load_adapter(transformer: Any, source: str | Path, name: str = NAME, **options: Any) -> LoraMoeConfig:
    """Add the adapter in ``source`` to ``transformer`` and activate it alone. Returns the configuration that was found.

    Rank and number of experts come from the file, and so do ``top_k``, ``router`` and alpha where the file says them;
    by default they are what was published: 1, ``"published"`` and the rank. Options: ``top_k`` and ``router`` in place
    of these, ``scale``, which multiplies plain and expert parts alike.

    Raises :class:`InputError` for what is not an adapter, is one for another model, or mixes what it does not say;
    the transformer is then as it was.
    """
    return read_adapter(source).add_to(transformer, name, **options)


def save_adapter(transformer: Any, path: str | Path, name: str = NAME, width: int | None = None) -> Path:
    """Write adapter ``name`` in the published layout. Returns the file; ``path`` may be a folder.

    ``width`` is that of a panel in training, and by default that of edits with the adapter. Raises
    :class:`InputError` where there is no such adapter, or it has what the layout cannot say.
    """
    from safetensors.torch import save

    path = Path(path)
    path = path if path.suffix == ".safetensors" else path / FILE_NAME
    config: Any = getattr(transformer, "peft_config", {}).get(name)
    if getattr(config, "merged", False):
        raise InputError(f"the plain parts of {name!r} are merged into the model; save the adapter before merging it.")
    tensors: dict[str, Tensor] = {}
    for module_name, module in transformer.named_modules():
        if name not in getattr(module, "lora_A", {}):
            continue
        uneven = module.lora_alpha[name] * config.r != config.lora_alpha * module.r[name]
        if config.use_rslora or uneven or config.use_dora or module.lora_B[name].bias is not None:
            raise InputError(
                f"adapter {name!r} cannot be saved in the published layout, which has one alpha over rank for all "
                f"layers and neither biases nor DoRA: {module_name} differs; save it with the pipeline's "
                "save_lora_weights."
            )
        for key, tensor in _published(module, name).items():
            tensors[f"transformer.{module_name}.{key}.weight"] = tensor.detach().contiguous().cpu()
    if not tensors:
        raise InputError(f"there is no adapter called {name!r} to save.")
    router: Any = getattr(config, "router", "published")
    metadata = AdapterMetadata(getattr(config, "top_k", 1), router, config.lora_alpha / config.r, width)
    with written(path) as partial:  # save_file would leave a file of its own when killed
        partial.write_bytes(save(tensors, metadata=metadata.written()))
    return path


def _published(module: Any, name: str) -> dict[str, Tensor]:
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    if name not in getattr(module, "lora_route", {}):
        return {"lora_A": a, "lora_B": b}
    count = module.lora_route[name].out_features
    experts = {f"lora_A.expert_{index}": part for index, part in enumerate(a.chunk(count))}
    experts |= {f"lora_B.expert_{index}": part for index, part in enumerate(b.chunk(count, dim=1))}
    return {**experts, "lora_route": module.lora_route[name].weight}
