"""The lab's FLUX: every component of a stock ``FluxPipeline``, small, untrained and with tokenizers of its own."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.models import AutoencoderKL, FluxTransformer2DModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from flowedit_grag.backbone.flow import Condition
from flowedit_grag.embedded import MODELS
from flowedit_grag.lab import world
from flowedit_grag.lab.captions import EMPTY_SCENES, PLACES, SCENES
from flowedit_grag.lab.tasks import INSTRUCTIONS
from flowedit_grag.methods.diptych_frame import IN_CONTEXT
from flowedit_grag.tokenize import tokenize

SHIPPED = MODELS["lab"] / "tokenizer"
TEXT_TOKENS = 48  # captions take up to 25, diptychs 41
TEXT_WIDTH, POOLED_WIDTH = 128, 64
HEADS, HEAD_DIM = 6, 32


def vocabulary() -> list[str]:
    """Every word the lab's captions, instructions and diptych prompts are made of, sorted."""
    forms = [IN_CONTEXT, *SCENES, *EMPTY_SCENES, *(form for forms in INSTRUCTIONS.values() for form in forms)]
    plain = [re.sub(r"\{\w+\}", " ", form) for form in forms]
    places = [place for options in PLACES.values() for place in options]
    values = [value for values in world.ATTRIBUTES.values() for value in values]
    known = " ".join([*plain, *places, *values, *world.BACKGROUNDS, "a an and to of it its plain without , . -"])
    return sorted(set(tokenize(known)))


def t5_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, any case; what the lab does not know is ``<unk>``. Word level, because T5's own class
    rebuilds its normalizer on loading and would forget to lower the case."""
    tokens = ["<pad>", "</s>", "<unk>", *vocabulary()]
    tokenizer = Tokenizer(models.WordLevel({t: i for i, t in enumerate(tokens)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=TEXT_TOKENS
    )


def clip_tokenizer() -> CLIPTokenizer:
    """Byte-pair merges learned until every word of the lab is one token; those that ship, as long as they do that.

    Which of two equally frequent pairs comes first differs from process to process, and with it a word's number.
    """
    if SHIPPED.exists():
        shipped = CLIPTokenizer.from_pretrained(SHIPPED)
        if all(len(shipped.tokenize(word)) == 1 for word in vocabulary()):
            return shipped
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=10_000, end_of_word_suffix="</w>", show_progress=False)
    learner.train_from_iterator(vocabulary(), trainer)
    merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(c + "</w>" for c in alphabet), *("".join(pair) for pair in merges)]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={t: i for i, t in enumerate(tokens)},
        merges=merges,  # type: ignore[arg-type]  # pairs are what the tokenizers library takes
        model_max_length=TEXT_TOKENS,
    )


def autoencoder() -> Any:  # an AutoencoderKL, whose own types refuse .to(device)
    """FLUX's layout: 4 levels (8x), 16 latent channels, no quant convolutions. No attention: it trains on crops."""
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=16, norm_num_groups=8, layers_per_block=1,
        block_out_channels=(16, 32, 64, 96), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, use_quant_conv=False, use_post_quant_conv=False,
        mid_block_add_attention=False, sample_size=128, scaling_factor=1.0, shift_factor=0.0,  # measured after training
    )  # fmt: skip


def transformer(in_channels: int = 64, out_channels: int | None = None) -> FluxTransformer2DModel:
    """4 double-stream and 8 single-stream blocks, 10 M parameters; modulations and output start at zero (DiT)."""
    model = FluxTransformer2DModel(
        in_channels=in_channels, out_channels=out_channels, num_layers=4, num_single_layers=8,
        attention_head_dim=HEAD_DIM, num_attention_heads=HEADS,
        joint_attention_dim=TEXT_WIDTH, pooled_projection_dim=POOLED_WIDTH, guidance_embeds=True,
        axes_dims_rope=(8, 12, 12),
    )  # fmt: skip
    for name, parameter in model.named_parameters():
        if ("norm" in name and ".linear." in name) or name.startswith("proj_out"):
            torch.nn.init.zeros_(parameter)
    return model


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """FLUX.1-dev's scheduler config."""
    return FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15,
        base_image_seq_len=256, max_image_seq_len=4096,
    )  # fmt: skip


def components() -> dict:
    """All components of the pipeline with seeded random weights."""
    torch.manual_seed(0)
    clip, t5 = clip_tokenizer(), t5_tokenizer()
    # Two layers of CLIP, which sums a caption up; four of T5, which has to tell what belongs to which item.
    clip_config = CLIPTextConfig(
        vocab_size=len(clip), hidden_size=POOLED_WIDTH, intermediate_size=4 * POOLED_WIDTH, num_hidden_layers=2,
        num_attention_heads=2, projection_dim=POOLED_WIDTH, max_position_embeddings=TEXT_TOKENS,
        bos_token_id=clip.bos_token_id, eos_token_id=clip.eos_token_id, pad_token_id=clip.pad_token_id,
    )  # fmt: skip
    t5_config = T5Config(
        vocab_size=len(t5), d_model=TEXT_WIDTH, d_kv=32, d_ff=2 * TEXT_WIDTH, num_layers=4, num_heads=4,
        relative_attention_num_buckets=16, relative_attention_max_distance=32, dropout_rate=0.0,
        feed_forward_proj="gated-gelu", is_encoder_decoder=False, use_cache=False,
    )  # fmt: skip
    return {
        "tokenizer": clip, "tokenizer_2": t5,
        "text_encoder": CLIPTextModel(clip_config), "text_encoder_2": T5EncoderModel(t5_config),
        "transformer": transformer(), "vae": autoencoder(), "scheduler": scheduler(),
    }  # fmt: skip


def encode(parts: Mapping[str, Any], texts: Sequence[str], length: int, device: str) -> Condition:
    """What ``FluxPipeline.encode_prompt`` computes, with gradients."""
    embeds = parts["text_encoder_2"](token_ids(parts["tokenizer_2"], texts, length).to(device))[0]
    pooled = parts["text_encoder"](token_ids(parts["tokenizer"], texts, TEXT_TOKENS).to(device)).pooler_output
    return Condition(embeds, pooled)


def token_ids(tokenizer: Any, texts: Sequence[str], length: int) -> Tensor:
    """Tokens ``[B, length]``."""
    return tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
