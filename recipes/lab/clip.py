"""A CLIP of the lab: pictures and texts in one space, and a head that says where an instruction leads a picture in it.

It is a judge that can be wrong. It learns from what scenes state, never from the oracle; on pictures as models make
them too: through the autoencoder, noisy, blurred, and with items half drawn.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

from flowedit_grag.embedded import ENCODERS, MODELS
from flowedit_grag.files import written
from flowedit_grag.judges.lab_clip import HEAD, EditHead
from flowedit_grag.lab import world
from flowedit_grag.lab.render import render

from . import reading
from .clip_data import ANSWERS, changed, facts, on_patches, on_places, reading_loss, said_of, spoiled, true_of
from .data import BRIEF_CAPTIONS, edit_at
from .loop import Stage, bfloat16, restore
from .model import TEXT_TOKENS, clip_tokenizer

WIDTH, PATCH = 128, 16  # of the space; pixels a side
EDITS, BATCH = 200_000, 24  # three pictures each: source, target, and one that is the target but for one attribute
READING = 0.3  # weight of the linear readers' losses, which tell the towers early what there is to see
HOTTEST = 100.0  # of the softmax, as in CLIP


def network() -> Any:
    """A ``CLIPModel`` of 1.3 M parameters with seeded random weights."""
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    vision = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}
    text = {"hidden_size": 96, "intermediate_size": 384, "num_hidden_layers": 3, "num_attention_heads": 3}
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return CLIPModel(CLIPConfig(
        vision_config={**vision, "image_size": world.IMAGE_SIZE, "patch_size": PATCH},
        text_config={**text, **special, "vocab_size": len(tokenizer), "max_position_embeddings": TEXT_TOKENS},
        projection_dim=WIDTH,
    ))  # fmt: skip


def processor() -> CLIPProcessor:
    """Pictures in -1..1, scaled to the lab's size and cut to its middle."""
    side, half = world.IMAGE_SIZE, [0.5] * 3
    size, crop = {"shortest_edge": side}, {"height": side, "width": side}
    pictures = CLIPImageProcessorPil(size=size, crop_size=crop, image_mean=half, image_std=half)
    return CLIPProcessor(pictures, clip_tokenizer())


def train(folder: Path, steps: int, device: str = "cpu") -> None:
    """Towers and head together."""
    clip = network().to(device)
    head, reader = EditHead(WIDTH).to(device), nn.Linear(WIDTH, ANSWERS).to(device)
    vae: Any = AutoencoderKL.from_pretrained(MODELS["lab"] / "vae", torch_dtype=torch.float32)
    vae, tokenizer = vae.to(device).eval(), clip_tokenizer()
    sight = reading.reader(clip.config.vision_config.hidden_size).to(device)
    words = reading.reader(clip.config.text_config.hidden_size).to(device)
    matrices = tuple(name for name, p in clip.named_parameters() if ".layers." in name and p.ndim == 2)
    modules = {"transformer": clip, "head": head, "reader": reader, "sight": sight, "words": words}
    stage = Stage("clip", folder, modules, 1.4e-3, matrices, decay=0.6)

    def loss_at(rng: np.random.Generator):
        edits = [edit_at(int(number)) for number in rng.integers(EDITS, size=BATCH)]
        scenes = [scene for edit in edits for scene in (edit.source, edit.target, changed(edit.target, rng))]
        brief = [bool(rng.random() < BRIEF_CAPTIONS) for _ in scenes]
        others = [changed(scene, rng) for scene in scenes]  # captions alone, which cost little
        texts = [said_of(scene, rng, short) for scene, short in zip(scenes + others, brief * 2, strict=True)]
        texts += [edit.instruction for edit in edits]
        ids = tokenizer(texts, padding=True, return_tensors="pt").input_ids.to(device)
        images = spoiled(np.stack([render(scene) for scene in scenes]), vae, rng, device)
        with bfloat16(device):
            looked, heard = clip.get_image_features(images), clip.get_text_features(ids)
        seen, patches = looked.pooler_output.float(), looked.last_hidden_state[:, 1:].float()
        said, places = heard.pooler_output.float(), heard.last_hidden_state[: 2 * len(scenes)].float()
        known = torch.tensor([facts(scene) for scene in scenes], device=device)
        full = torch.tensor([not short for short in brief], device=device)
        stated = reading_loss(reader(seen), known) + reading_loss(reader(said[: len(scenes)])[full], known[full])
        shown = torch.from_numpy(np.stack([on_patches(scene, PATCH) for scene in scenes])).to(device)
        told_of = on_places(scenes + others, ids, tokenizer).to(device)
        seeing, hearing = reading.reading_loss(sight(patches), shown), reading.reading_loss(words(places), told_of)
        same = torch.tensor(true_of(scenes, scenes + others, brief * 2), device=device)
        scale = clip.logit_scale.exp().clamp(max=HOTTEST)
        pairs, led, told = contrasts(scale, normalize(seen, dim=-1), normalize(said, dim=-1), same, head)
        parts = {"pairs": pairs, "led": led, "told": told, "stated": stated, "seeing": seeing, "hearing": hearing}
        return pairs + led + told + READING * (stated + seeing + hearing), parts

    stage.fit(loss_at, steps)


def contrasts(
    scale: Tensor, seen: Tensor, said: Tensor, same: Tensor, head: nn.Module
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of pictures ``seen`` ``[3 B, D]`` with their captions and as many others, which are ``said`` before the
    instructions ``[7 B, D]``; of where the ``head`` leads sources; of instructions with the target beside the source.

    ``same`` ``[3 B, 6 B]``: which captions are true of which pictures. Only a picture's own is asked for, the others of
    these are left out.
    """
    count, edits = len(seen), len(seen) // 3
    own = torch.arange(count, device=seen.device)
    left_out = same & ~torch.eye(*same.shape, dtype=torch.bool, device=seen.device)
    captions, instructions = said[: 2 * count], said[2 * count :]
    logits = (scale * seen @ captions.T).masked_fill(left_out, -torch.inf)
    pairs = (cross_entropy(logits, own) + cross_entropy(logits[:, :count].T, own)) / 2
    source, target = own[::3], own[1::3]
    led = scale * head(seen[source], instructions)
    to_captions = (led @ captions.T).masked_fill(left_out[target], -torch.inf)
    to_pictures = (led @ seen.T).masked_fill(left_out[:, :count][target], -torch.inf)
    edited = (cross_entropy(to_captions, target) + cross_entropy(to_pictures, target)) / 2
    beside = scale * torch.einsum("bd,bkd->bk", instructions, torch.stack([seen[target], seen[source]], dim=1))
    return pairs, edited, cross_entropy(beside, own.new_zeros(edits))


def train_export(folder: Path, steps: int, device: str = "cpu", weights: Path = ENCODERS["lab-clip"]) -> None:
    """Write the averaged weights in half precision, in transformers' format with the head beside it."""
    clip, head = network(), EditHead(WIDTH)
    restore(folder, "clip", transformer=clip, head=head)
    clip.half().save_pretrained(weights)
    _put(weights / "config.json", {"dtype": "float32"})  # computed in single precision, whatever it is kept in
    pictures = processor()
    pictures.save_pretrained(weights)
    kind = type(pictures.image_processor).__name__  # by name, or where torchvision is, pictures are scaled otherwise
    _put(weights / "processor_config.json", {"image_processor_type": kind}, "image_processor")
    with written(weights / HEAD) as partial:
        save_file(head.half().state_dict(), partial)
    print(f"{sum(file.stat().st_size for file in weights.iterdir()) / 2**20:.2f} MB", flush=True)


def _put(path: Path, values: dict[str, str], within: str | None = None) -> None:
    """Put ``values`` into a file of JSON, or into the part of it that is called ``within``."""
    known = json.loads(path.read_text())
    (known[within] if within else known).update(values)
    with written(path) as partial:
        partial.write_text(json.dumps(known, indent=2) + "\n")
