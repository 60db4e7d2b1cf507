"""A diffusers pipeline of a folder or the hub: only safetensors are read, and no code of the model's own is run."""

import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from ..errors import ALLOCATORS_SAY, InputError, first_line, missing_package, without_package
from .families import FAMILIES
from .families.flux_transformer import PATCH
from .quantization import of_component
from .single_file import transformer_in

NETWORKS = ("transformer", "vae", "text_encoder", "text_encoder_2")
CLASSES = {  # what the name of a part's class has
    "transformer": "FluxTransformer2DModel", "vae": "AutoencoderKL", "text_encoder": "Model", "text_encoder_2": "Model",
    "tokenizer": "Token", "tokenizer_2": "Token", "scheduler": "Scheduler",
}  # fmt: skip
POSITIONS = 3  # numbers that say where a token is
LIBRARIES = ("diffusers", "transformers")
SHOWN = 300  # characters of what a library says
MOST_TOKENS = 10**6  # a tokenizer that does not know its length says 10^30


def pipeline_in(
    place: str, dtype: torch.dtype, at: Mapping[str, str], quantization: Any = None, transformer: Path | None = None
) -> Any:
    """The pipeline of a folder or hub id ``place``, with the ``transformer`` of a file in place of its own.

    Raises :class:`InputError` for what cannot be loaded.
    """
    import diffusers

    diffusers.utils.logging.disable_progress_bar()
    index = _checked_index(place, at)
    parts: dict[str, Any] = {}
    for name in NETWORKS:
        if name == "transformer" and transformer is not None:
            of_it = of_component(quantization, name, "diffusers")
            parts[name] = transformer_in(transformer, place, at, dtype, of_it)
        else:
            library, kind = index[name]
            parts[name] = _network(place, name, library, kind, at, dtype, quantization)
    pipeline = getattr(diffusers, index["_class_name"]).from_pretrained(
        place, dtype=dtype, use_safetensors=True, **parts, **at
    )
    pipeline.set_progress_bar_config(disable=True)
    _check_parts(place, index["_class_name"], pipeline)
    return pipeline


def _network(
    place: str, name: str, library: str, kind: str, at: Mapping[str, str], dtype: torch.dtype, quantization: Any
) -> torch.nn.Module:
    """One network, whole: where weights are missing, the libraries make up random ones or none, and only note it."""
    config = of_component(quantization, name, library)
    network, found = getattr(import_module(library), kind).from_pretrained(
        place, subfolder=name, dtype=dtype, use_safetensors=True, output_loading_info=True, **at,
        **({} if config is None else {"quantization_config": config}),
    )  # fmt: skip
    bare = {key for key, weight in network.named_parameters() if weight.is_meta}
    if missing := sorted(bare | {*found["missing_keys"]} | {str(key) for key in found.get("mismatched_keys", ())}):
        few = f"{len(missing)} weights are missing or of another shape, such as {missing[0]}"
        raise InputError(f"the {name} of {place} is not whole: {few}; download it again.")
    if unused := sorted(found["unexpected_keys"]):
        warnings.warn(
            f"{len(unused)} weights of the {name} of {place} have no place in it, such as {unused[0]}.", stacklevel=2
        )
    return network


def _checked_index(place: str, at: Mapping[str, str]) -> dict[str, Any]:
    """What ``model_index.json`` says. Raises :class:`InputError` for pipelines of others, and parts that need other
    code."""
    from diffusers import DiffusionPipeline

    index = DiffusionPipeline.load_config(place, **at)
    if not isinstance(index, dict):
        raise InputError(f"{place} is not a model: its model_index.json is a {type(index).__name__}, and no object.")
    kind = index.get("_class_name")
    if not isinstance(kind, str) or kind not in FAMILIES.table:
        raise InputError(f"{place} is a {kind}; the models that can be loaded are {' and '.join(FAMILIES)}.")
    if lost := [name for name in NETWORKS if index.get(name) in (None, [None, None])]:
        raise InputError(f"{place} is not a whole model: its model_index.json does not say what its {lost[0]} is.")
    for name, part in index.items():
        if part == [None, None] or (name not in NETWORKS and not isinstance(part, list)):
            continue
        if not isinstance(part, list) or len(part) != 2 or part[0] not in LIBRARIES or not isinstance(part[1], str):
            raise InputError(
                f"{place} says that its {name} is {part}; only parts of {' and '.join(LIBRARIES)} are loaded."
            )
    for name, kind in CLASSES.items():
        if kind not in (found := str((index.get(name) or [None, None])[1])):
            raise InputError(f"the {name} of {place} is of the class {found}, and no {kind}.")
    return index


def _check_parts(place: str, kind: str, pipeline: Any) -> None:
    latent, taken = pipeline.vae.config.latent_channels * PATCH**2, pipeline.transformer.config.in_channels
    filled = 2 * latent + (PATCH * pipeline.vae_scale_factor) ** 2
    if taken != (wanted := {"FluxPipeline": latent, "FluxFillPipeline": filled}[kind]):
        raise InputError(f"{place} takes {taken} channels a token where a {kind} takes {wanted}: a control model?")
    for name, least in (("scaling_factor", 0), ("shift_factor", -math.inf)):
        value = pipeline.vae.config.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least < value < math.inf:
            raise InputError(f"the vae of {place} has {name} {value!r}, which is no number that can be used.")
    for number in ("_2", ""):
        tokenizer, network = getattr(pipeline, f"tokenizer{number}"), getattr(pipeline, f"text_encoder{number}")
        padded = tokenizer(
            "a", padding="max_length", max_length=8, truncation=True
        ).input_ids  # raises if it cannot pad
        if max(padded) >= network.get_input_embeddings().num_embeddings:
            raise InputError(f"a tokenizer of {place} has more words than its text encoder; download both again.")
    with torch.no_grad():
        network(torch.tensor([padded], device=network.device))  # the small one: its weights do not show a wrong config
    rope, heads = pipeline.transformer.config.axes_dims_rope, pipeline.transformer.config.attention_head_dim
    if len(rope) != POSITIONS or sum(rope) != heads or any(axis < 2 or axis % 2 for axis in rope):
        raise InputError(
            f"the transformer of {place} has axes_dims_rope {rope}, which are no three even parts of {heads}."
        )
    if pipeline.tokenizer.model_max_length > MOST_TOKENS:
        raise InputError(f"the tokenizer of {place} does not say its length; add model_max_length to its config.")


@contextmanager
def in_one_sentence(model: str | Path, place: str) -> Iterator[None]:
    """Turn whatever libraries raise over a model's files, or the hub, into an :class:`InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, ImportError) or missing_package(error):
            raise without_package(error, f"the model {str(model)!r}") from error
        if any(words in f"{type(error).__name__} {error}".lower() for words in ALLOCATORS_SAY):
            raise
        advice = "check its files, or download it again"
        if not os.path.exists(place):
            advice = (
                "check the name and the network, and for FLUX.1-dev accept its licence on the hub and log in with "
                "`hf auth login`"
            )
        reason = f"{type(error).__name__}: {first_line(error)}"[:SHOWN]
        raise InputError(f"the model {str(model)!r} cannot be loaded ({reason}); {advice}.") from error
