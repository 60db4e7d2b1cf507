"""A transformer's weights by the names that Black Forest Labs, ComfyUI and GGUF tools write, from diffusers' own."""

import torch

OUTSIDE = {
    "time_text_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_text_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
    "time_text_embed.text_embedder.linear_2": "vector_in.out_layer",
    "time_text_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_text_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
    "context_embedder": "txt_in", "x_embedder": "img_in", "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
}  # fmt: skip
DOUBLE = {
    "norm1.linear": "img_mod.lin", "norm1_context.linear": "txt_mod.lin", "attn.to_out.0": "img_attn.proj",
    "attn.to_add_out": "txt_attn.proj", "ff.net.0.proj": "img_mlp.0", "ff.net.2": "img_mlp.2",
    "ff_context.net.0.proj": "txt_mlp.0", "ff_context.net.2": "txt_mlp.2",
}  # fmt: skip
DOUBLE_FUSED = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}
DOUBLE_NORMS = {
    "attn.norm_q": "img_attn.norm.query_norm", "attn.norm_k": "img_attn.norm.key_norm",
    "attn.norm_added_q": "txt_attn.norm.query_norm", "attn.norm_added_k": "txt_attn.norm.key_norm",
}  # fmt: skip
SINGLE = {"norm.linear": "modulation.lin", "proj_out": "linear2"}
SINGLE_FUSED = {"linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")}
SINGLE_NORMS = {"attn.norm_q": "norm.query_norm", "attn.norm_k": "norm.key_norm"}
BLOCKS = {
    "transformer_blocks": ("double_blocks", DOUBLE, DOUBLE_FUSED, DOUBLE_NORMS),
    "single_transformer_blocks": ("single_blocks", SINGLE, SINGLE_FUSED, SINGLE_NORMS),
}


def bfl(transformer):
    """Its weights by their other names."""
    own, made = transformer.state_dict(), {}
    for here, there in OUTSIDE.items():
        for side in ("weight", "bias"):
            weight = own.pop(f"{here}.{side}")
            made[f"{there}.{side}"] = weight.roll(len(weight) // 2, 0) if here == "norm_out.linear" else weight
    for here, (there, names, fused, norms) in BLOCKS.items():
        for index in range(len(getattr(transformer, here))):
            a, b = f"{here}.{index}", f"{there}.{index}"
            for side in ("weight", "bias"):
                made |= {f"{b}.{new}.{side}": own.pop(f"{a}.{old}.{side}") for old, new in names.items()}
                for new, parts in fused.items():
                    made[f"{b}.{new}.{side}"] = torch.cat([own.pop(f"{a}.{part}.{side}") for part in parts])
            made |= {f"{b}.{new}.scale": own.pop(f"{a}.{old}.weight") for old, new in norms.items()}
    assert not own
    return {name: weight.contiguous() for name, weight in made.items()}
