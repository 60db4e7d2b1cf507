"""A FLUX of any depth with FLUX.1-dev's widths and no trained weights: for counting on the meta device, and for
timing on a GPU."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import FluxPipeline
from diffusers.models import AutoencoderKL, FluxTransformer2DModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from flowedit_grag.backbone.families import flow_of
from flowedit_grag.backbone.families.flux_transformer import PATCH
from flowedit_grag.backbone.flow import Condition
from flowedit_grag.backbone.image_flow import ImageFlow
from flowedit_grag.backbone.known_models import FLUX_DEV, Profile
from recipes.lab.model import scheduler

FLUX_CHANNELS = 64  # of a token
FILL_CHANNELS = 2 * FLUX_CHANNELS + (PATCH * 8) ** 2  # and a masked picture's, and every pixel of the mask
DEPTH = (19, 38)  # FLUX.1-dev's double- and single-stream blocks
SMALL: dict[str, Any] = {  # keyword arguments of flux_flow for a rehearsal: the same code in seconds on a CPU
    "layers": (1, 1),
    "narrow": {"num_attention_heads": 2, "joint_attention_dim": 64, "pooled_projection_dim": 32},
}
TEXT_TOKENS = 512  # what FLUX.1-dev's pipeline pads prompts to


def flux_flow(
    device: str, layers: tuple[int, int] = DEPTH, *, fills: bool = False, narrow: Mapping[str, int] | None = None
) -> ImageFlow:
    """FLUX.1-dev's transformer with random bfloat16 weights on ``device``, without autoencoder and text encoders.

    ``layers`` are the numbers of double- and single-stream blocks, ``narrow`` other widths than FLUX.1-dev's. With
    ``fills``, FLUX.1-Fill-dev's, whose tokens also carry a masked picture and the mask.
    """
    shape = {"num_layers": layers[0], "num_single_layers": layers[1], **(narrow or {})}
    if fills:
        shape |= {"in_channels": FILL_CHANNELS, "out_channels": FLUX_CHANNELS}
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)  # 12 B parameters in float32 first would not fit most GPUs
    try:
        with torch.device(device):
            transformer = FluxTransformer2DModel(guidance_embeds=True, **shape)  # the defaults are FLUX.1-dev's
    finally:
        torch.set_default_dtype(default)
    parts: dict[str, Any] = dict.fromkeys(("vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
    pipeline = FluxPipeline(scheduler=scheduler(), transformer=transformer.eval(), **parts)
    kind, whole = "FLUX.1-Fill-dev" if fills else "FLUX.1-dev", layers == DEPTH
    profile = FLUX_DEV if whole and not fills else Profile(vital_layers=(0,), value_layers=(sum(layers) - 1,))
    return flow_of(pipeline, profile, name=kind if whole else f"{kind} with {layers[0]}+{layers[1]} blocks")


def latents(flow: ImageFlow, size: tuple[int, int], device: str) -> torch.Tensor:
    """Random latents ``[1, C, h, w]`` of an image of ``size = (width, height)``."""
    width, height = size
    scale = flow.pipeline.vae_scale_factor
    config = flow.transformer.config
    channels = (config.out_channels or config.in_channels) // PATCH**2
    return torch.randn(1, channels, height // scale, width // scale, device=device)


def condition(flow: ImageFlow, device: str) -> Condition:
    """One random prompt, as long as FLUX.1-dev's pipeline makes them."""
    config = flow.transformer.config
    embeds = torch.randn(1, TEXT_TOKENS, config.joint_attention_dim, device=device)
    return Condition(embeds, torch.randn(1, config.pooled_projection_dim, device=device))


def networks(flow: ImageFlow) -> dict[str, nn.Module]:
    """FLUX.1-dev's networks on the meta device, of which ``flow`` has the transformer."""
    t5 = T5Config(  # v1.1 XXL
        vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64, feed_forward_proj="gated-gelu"
    )
    clip = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    with torch.device("meta"):
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=16,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            use_quant_conv=False, use_post_quant_conv=False,
        )  # fmt: skip
        encoders = {"text_encoder": CLIPTextModel(clip), "text_encoder_2": T5EncoderModel(t5)}
    return {"transformer": flow.transformer, **encoders, "vae": vae.to(torch.bfloat16)}
