"""What can be known of a model without its weights."""

from dataclasses import dataclass
from types import SimpleNamespace

from .load import in_one_sentence, locate, profile_of
from .profile import Profile


@dataclass(frozen=True)
class Facts:
    """What a method asks of a :class:`Flow` before it edits: ``name``, ``fills`` and ``profile`` mean the same here.

    ``place`` is the model's folder, or its hub id.
    """

    name: str
    place: str
    fills: bool
    profile: Profile


def facts(model: str) -> Facts:
    """The facts about a model, by the name that :func:`load` takes; of a hub's model only its config is downloaded.

    Raises :class:`InputError` for names that lead nowhere.
    """
    from diffusers import FluxTransformer2DModel

    place = locate(model)
    with in_one_sentence(model):
        config = SimpleNamespace(**FluxTransformer2DModel.load_config(place, subfolder="transformer"))
        fills = config.in_channels > (config.out_channels or config.in_channels)
        return Facts(str(model), place, fills, profile_of(place, config))
