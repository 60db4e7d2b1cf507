"""What can be known of a model without its weights."""

from dataclasses import dataclass
from inspect import signature
from types import SimpleNamespace

from ..lora_moe.locate import locate as locate_adapter
from ..lora_moe.metadata import AdapterMetadata
from .known_models import profile_of
from .load import commit, locate
from .model_folder import in_one_sentence
from .profile import Profile


@dataclass(frozen=True)
class ModelInfo:
    """What a method asks of a :class:`Flow` before it edits: ``name``, ``fills``, ``layers`` and ``profile`` mean the
    same here.

    ``place`` is the model's folder, or its hub id with a ``commit`` there.
    """

    name: str
    place: str
    commit: str | None
    fills: bool
    layers: int
    profile: Profile


def model_info(model: str, revision: str | None = None, adapter: str | None = None) -> ModelInfo:
    """The facts about a model with an ``adapter``, by the names that :func:`load` takes; of a hub's model only its
    config is downloaded, at the ``revision`` or as it is there now.

    Raises :class:`InputError` for names that lead nowhere.
    """
    from diffusers import FluxTransformer2DModel

    place, at = locate(model), revision or commit(model)
    with in_one_sentence(model, place):
        own = FluxTransformer2DModel.load_config(place, subfolder="transformer", revision=at)
        usual = {name: of.default for name, of in signature(FluxTransformer2DModel).parameters.items()}
        config = SimpleNamespace(**{**usual, **own})  # a file may leave out what is as usual
        fills = config.in_channels > (config.out_channels or config.in_channels)
        layers = config.num_layers + config.num_single_layers
        width = None if adapter is None else AdapterMetadata.of(locate_adapter(adapter)).width
        return ModelInfo(str(model), place, at, fills, layers, profile_of(place, config, width))
