"""Bytes of FLUX.1-dev's networks, by offload and quantisation, without its weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from .counting import activation_bytes
from .shape import flux_flow

BF16 = 2  # bytes
# Bytes a weight of a linear layer: bitsandbytes' NF4 keeps a float32 scale for every 64 weights.
LINEAR_BYTES = {"none": BF16, "bitsandbytes_8bit": 1, "bitsandbytes_4bit": 0.5 + 4 / 64}
QUANTIZED = ("transformer", "text_encoder_2")


@dataclass(frozen=True)
class Component:
    """Parameters in linear layers and elsewhere, and the largest single layer's parameters."""

    linear: int
    other: int
    largest_layer: int

    @classmethod
    def of(cls, module: nn.Module) -> "Component":
        linear = sum(p.numel() for m in module.modules() if isinstance(m, nn.Linear) for p in m.parameters(False))
        layers = [sum(p.numel() for p in m.parameters(False)) for m in module.modules()]
        return cls(linear, sum(p.numel() for p in module.parameters()) - linear, max(layers))

    def nbytes(self, linear_bytes: float) -> float:
        return linear_bytes * self.linear + BF16 * self.other


def components() -> dict[str, nn.Module]:
    """FLUX.1-dev's networks on the meta device."""
    from diffusers.models import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    t5 = T5Config(
        vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64, feed_forward_proj="gated-gelu"
    )  # T5 v1.1 XXL
    clip = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )  # ViT-L
    with torch.device("meta"):
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=16,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            use_quant_conv=False, use_post_quant_conv=False,
        )  # fmt: skip
        encoders = {"text_encoder": CLIPTextModel(clip), "text_encoder_2": T5EncoderModel(t5)}
    return {"transformer": flux_flow("meta").transformer, **encoders, "vae": vae.to(torch.bfloat16)}


def decoding_bytes(vae: nn.Module, latents: torch.Tensor) -> int:
    """Peak activations of decoding ``latents``, in the autoencoder's own dtype."""
    return activation_bytes(vae.decode, {"z": latents.to(next(vae.parameters()).dtype)})


def peak_bytes(
    parts: Mapping[str, Component], quantization: str, offload: str, activations: float, decoding: float
) -> float:
    """Predicted peak on the GPU of an edit: the worst of encoding prompts, velocities and decoding.

    ``offload`` ``"none"`` keeps all networks there, ``"model"`` the one that runs, ``"group"`` and ``"sequential"`` a
    layer (and the next one, streamed ahead).
    """
    linear = {name: LINEAR_BYTES[quantization if name in QUANTIZED else "none"] for name in parts}
    weights = {name: part.nbytes(linear[name]) for name, part in parts.items()}
    running = {"transformer": activations, "vae": decoding}
    if offload == "none":
        return sum(weights.values()) + max(running.values())
    if offload != "model":
        weights = {name: 2 * BF16 * part.largest_layer for name, part in parts.items()}
    return max(weights[name] + running.get(name, 0) for name in parts)
