"""LoRA files of other programs, in one layout and at the scale that they ask for.

Names are translated by diffusers, which knows kohya's, ComfyUI's and XLabs'. What it leaves out in silence is refused.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from .adapter_file import ModuleWeights
from .metadata import AdapterMetadata

DIFFUSERS_NAMES = (
    "transformer_blocks", "single_transformer_blocks", "x_embedder", "context_embedder", "time_text_embed",
    "norm_out", "proj_out",
)  # fmt: skip
BFL_NAMES = (
    "double_blocks", "single_blocks", "img_in", "txt_in", "time_in", "vector_in", "guidance_in", "final_layer",
)  # fmt: skip
PREFIXES = ("base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.")
KOHYA = ("lora_unet_", "lora_transformer_", "lora_te_", "lora_te1_", "text_encoders.clip_l.transformer.")
T5 = ("lora_te2_", "lora_te3_", "text_encoders.t5xxl.", "text_encoder_2.")
OTHERS = {  # what is no LoRA, or more than one, by what its keys have
    r"\.hada_": "a LoHa", r"\.lokr_": "a LoKr", r"\.oft_": "an OFT", r"\.dora_scale$": "a DoRA in kohya's layout",
    "query_norm|norm_q": "a control LoRA", r"\.diff(_b)?$": "a LoRA with whole weights beside it",
}  # fmt: skip
LINEAR1 = re.compile(
    r"(?:lora_unet_|diffusion_model\.)?single_blocks[._](\d+)[._]linear1"
)  # q, k, v and 4 wide MLP rows
ENCODER_NAMES = {"to_q_lora": "q_proj", "to_k_lora": "k_proj", "to_v_lora": "v_proj", "to_out_lora": "out_proj"}
KEY = re.compile(
    r"(?P<module>.+?)(?:\.(?P<alpha>alpha)"
    r"|\.(?P<magnitude>lora_magnitude_vector)(?:\.(?!weight$)(?P<of>\w+))?(?:\.weight)?"
    r"|(?:\.lora_|\.lora\.|\.lora_linear_layer\.|(?<=_lora)\.|(?<=_lora[12])\.)(?P<side>A|B|down|up)"
    r"(?:\.(?P<name>\w+))?\.(?P<kind>weight|bias))"
)
SIDES = {"A": "A", "down": "A", "B": "B", "up": "B"}
Parts = dict[str, Tensor]  # of a module: A, B and, where the file has them, alpha, bias, magnitude


def standard(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, ModuleWeights]]:
    """The LoRA with ``tensors`` that lies at ``path``: ``"transformer"`` or ``"text_encoder"`` -> module -> weights,
    scaled so that alpha is the rank everywhere.

    Raises :class:`InputError`, naming the file, for other kinds of adapters and LoRAs of other models.
    """
    for word, kind in OTHERS.items():
        if key := next((key for key in tensors if re.search(word, key)), None):
            raise InputError(f"{path} is {kind}, which cannot be loaded (it has {key!r}); use a plain LoRA.")
    parsed = _parsed(path, tensors)
    modules = {name: parts for module, parts in parsed.items() if (name := _diffusers_name(module))}
    _scale_as_metadata_says(path, modules, twice=any("alpha" in parts for parts in parsed.values()))
    for parts in parsed.values():
        _scale(parts, float(parts.pop("alpha")) / len(parts["A"]) if "alpha" in parts else 1.0)
    modules |= _translated(path, {name: parts for name, parts in parsed.items() if not _diffusers_name(name)})
    found: dict[str, dict[str, ModuleWeights]] = defaultdict(dict)
    for name, parts in modules.items():
        network, _, module = name.partition(".")
        if not all(torch.isfinite(part).all() for part in parts.values()):
            raise InputError(f"{path} asks for a scale that its weights cannot have, in {module}.")
        found[network][module] = ModuleWeights(
            {0: parts["A"]}, {0: parts["B"]}, bias=parts.get("bias"), magnitude=parts.get("magnitude")
        )
    for weights in found.values():
        if len({part.magnitude is None for part in weights.values()}) > 1:
            raise InputError(f"{path} is a DoRA in some of its layers only, which cannot be loaded; use a plain LoRA.")
    return dict(found)


def _parsed(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Parts]:
    """Module -> parts. Raises :class:`InputError` for keys that are no LoRA's, and modules that are not whole."""
    modules: dict[str, Parts] = defaultdict(dict)
    names = set()
    for key, tensor in tensors.items():
        if not (found := KEY.fullmatch(key)) or (found["kind"] == "bias" and SIDES[found["side"]] == "A"):
            raise InputError(f"{path} is not a LoRA of a FLUX transformer: it has {key!r}.")
        names |= {found["name"] or found["of"]} - {None}
        if len(names) > 1:
            raise InputError(
                f"{path} holds several adapters ({', '.join(sorted(names))}); give each a file of its own."
            )
        side = found["alpha"] or (found["magnitude"] and "magnitude") or SIDES[found["side"]]
        part = "bias" if found["kind"] == "bias" else side
        if part in modules[found["module"]]:
            raise InputError(f"{path} has two of one weight, {key!r} for example.")
        modules[found["module"]][part] = tensor
    if not modules:
        raise InputError(f"{path} is empty; it is not a LoRA.")
    for module, parts in modules.items():
        if problem := _problem(parts):
            raise InputError(f"{path} is not a complete LoRA: of {module}, {problem}.")
        if "bias" in parts and not parts["bias"].any():
            del parts["bias"]
    return dict(modules)


def _problem(parts: Parts) -> str | None:
    a, b = parts.get("A"), parts.get("B")
    if a is None or b is None:
        return "one half is missing"
    if a.ndim != 2 or b.ndim != 2 or not a.numel() or not b.numel():
        return f"the weights are no matrices: {list(a.shape)} and {list(b.shape)}"
    if len(a) != b.shape[1]:
        return f"it goes down to rank {len(a)} and up from rank {b.shape[1]}"
    if any(len(b) != parts[name].numel() or parts[name].ndim != 1 for name in ("bias", "magnitude") if name in parts):
        return f"a bias or magnitude is not one number for each of {len(b)} outputs"
    return None if "alpha" not in parts or parts["alpha"].numel() == 1 else "alpha is not one number"


def _scale(parts: Parts, factor: float) -> None:
    if factor != 1:
        parts |= {name: parts[name] * factor for name in ("A", "bias") if name in parts}


def _diffusers_name(module: str) -> str | None:
    """``transformer.MODULE`` or ``text_encoder.MODULE``, for names that diffusers uses."""
    if module.startswith("text_encoder."):
        above, _, last = module.rpartition(".")
        return f"{above}.{ENCODER_NAMES.get(last, last)}"
    bare = _bare(module)
    return f"transformer.{bare}" if bare.partition(".")[0] in DIFFUSERS_NAMES else None


def _bare(module: str) -> str:
    for prefix in PREFIXES:
        module = module.removeprefix(prefix)
    return module


def _scale_as_metadata_says(path: Path, modules: Mapping[str, Parts], twice: bool) -> None:
    for network in ("transformer", "text_encoder"):
        own = {name.partition(".")[2]: parts for name, parts in modules.items() if name.startswith(f"{network}.")}
        factors = AdapterMetadata.factors(path, network, {name: len(parts["A"]) for name, parts in own.items()})
        if factors and twice:
            raise InputError(f"{path} says alpha twice, in its weights and in its metadata; remove one of them.")
        for name, factor in factors.items():
            _scale(own[name], factor)


def _translated(path: Path, modules: Mapping[str, Parts]) -> dict[str, Parts]:
    """Modules that others name, by diffusers' names. Raises :class:`InputError` for those of another model."""
    if not modules:
        return {}
    from diffusers.loaders import FluxLoraLoaderMixin

    for module, parts in modules.items():
        if module.startswith(T5):
            raise InputError(
                f"{path} has weights for another text encoder than CLIP, which cannot be loaded: {module}."
            )
        if not module.startswith(KOHYA) and _bare(module).partition(".")[0] not in BFL_NAMES:
            raise InputError(f"{path} is a LoRA of another model: {module!r} is no layer of a FLUX transformer.")
        if extra := {"bias", "magnitude"} & set(parts):
            raise InputError(f"{path} has a {extra.pop()} in {module}, which cannot be loaded; use a plain LoRA.")
    split = {name: parts for module, parts in modules.items() for name, parts in _linear1(path, module, parts)}
    others = {module: parts for module, parts in modules.items() if not LINEAR1.fullmatch(_bare(module))}
    try:
        made = FluxLoraLoaderMixin.lora_state_dict(dict(_as_kohya(others))) if others else {}
    except Exception as error:  # whatever a converter stumbles over
        raise InputError(f"{path} is a LoRA of another model: diffusers cannot translate {min(others)!r}.") from error
    named = {
        key if key.startswith(("transformer.", "text_encoder.")) else f"transformer.{key}": made[key] for key in made
    }
    translated = {str(_diffusers_name(name)): parts for name, parts in (_parsed(path, named) if named else {}).items()}
    if left := _rows(others) - _rows(translated):  # each converter keeps the rows of what it translates
        raise InputError(f"{path} is a LoRA of another model: {left} rows of its weights have no place in FLUX.1.")
    return translated | split


def _as_kohya(modules: Mapping[str, Parts]) -> Iterator[tuple[str, Tensor]]:
    for module, parts in modules.items():
        name = module if module.startswith(KOHYA) else f"diffusion_model.{_bare(module)}"
        lora = "" if ".processor." in module else "lora_"  # XLabs'
        yield f"{name}.{lora}down.weight", parts["A"]
        yield f"{name}.{lora}up.weight", parts["B"]
        if module.startswith("lora_transformer_"):
            yield f"{name}.alpha", torch.tensor(float(len(parts["A"])))


def _linear1(path: Path, module: str, parts: Parts) -> Iterator[tuple[str, Parts]]:
    """A single block's fused layer as its four, which diffusers splits at FLUX.1's own width only."""
    if found := LINEAR1.fullmatch(_bare(module)):
        width, rest = divmod(len(parts["B"]), 7)
        if rest:
            raise InputError(
                f"{path} is a LoRA of another model: {module} has {len(parts['B'])} rows, not 7 equal parts."
            )
        layers = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
        for layer, rows in zip(layers, parts["B"].split([width, width, width, 4 * width]), strict=True):
            yield f"transformer.single_transformer_blocks.{found[1]}.{layer}", {"A": parts["A"], "B": rows}


def _rows(modules: Mapping[str, Parts]) -> int:
    return sum(len(parts["B"]) for parts in modules.values())
