"""The lab's recipe: resumable to the bit, seeded, and made of parts that do what they say."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from flowedit_grag.backbone.families.flux_transformer import pack, velocity_of
from flowedit_grag.backbone.flow import Condition
from flowedit_grag.lab import world
from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.scene import Item, Scene
from flowedit_grag.lab.tasks import TASKS, sample_edit
from flowedit_grag.methods.diptych_frame import DIPTYCH
from flowedit_grag.tokenize import tokenize
from recipes.lab import data, fill, flux, latents, model, reading
from recipes.lab.data import difference
from recipes.lab.loop import Stage
from recipes.lab.model import TEXT_TOKENS, t5_tokenizer, vocabulary


def trained(folder, *stops):
    """A small network after training up to each of ``stops``, in a process of its own each time."""
    for steps in stops:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
        also = ("0.weight", "2.weight")  # by Muon, the biases by AdamW
        stage = Stage("toy", folder, {"transformer": net}, learning_rate=1e-2, also=also, every=2, decay=0.01)

        def loss_at(rng, net=net):
            x = torch.from_numpy(rng.standard_normal((4, 6)).astype(np.float32))
            return ((net(x + 0.1 * torch.randn(4, 6)) - x[:, :3]) ** 2).mean(), {}

        stage.fit(loss_at, steps)
    return net, stage.ema


def test_a_stopped_stage_resumes_bit_for_bit(tmp_path):
    whole, average = trained(tmp_path / "whole", 9)
    parts, average_of_parts = trained(tmp_path / "parts", 4, 9)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name])
        assert torch.equal(average["transformer"][name], average_of_parts["transformer"][name])


@pytest.mark.parametrize("task", TASKS)
def test_diptychs_describe_what_they_show(monkeypatch, task):
    tokenizer, rng = t5_tokenizer(), np.random.default_rng(0)
    for seed in range(20):
        edit = sample_edit(np.random.default_rng(seed), task)
        monkeypatch.setattr(data, "edit_at", lambda index, edit=edit: edit)
        data.picture.cache_clear()
        assert np.array_equal(data.picture("diptychs", 0), np.concatenate(edit.images()[:2], axis=1))
        text = data.caption_of("diptychs", 0, rng)
        assert text.startswith(DIPTYCH)
        assert edit.instruction not in text
        assert set(tokenize(text)) <= set(vocabulary())
        assert len(tokenizer(text).input_ids) <= TEXT_TOKENS
        assert difference(edit).split()[0] in ("with", "without", "on")


def test_distillation_targets_are_classifier_free_guidance():
    torch.manual_seed(0)
    from recipes.lab.model import components

    parts = {name: part.eval() if isinstance(part, nn.Module) else part for name, part in components().items()}
    for p in parts["transformer"].parameters():  # the output starts at zero
        nn.init.normal_(p, std=0.05)
    x, sigma = torch.randn(2, 16, 4, 8), torch.tensor([0.3, 0.8])
    texts = ["a large red star on the left on a sky background", ""]
    with torch.no_grad():
        condition = model.encode(parts, texts, TEXT_TOKENS, "cpu")
        found = flux.guided(parts, x, sigma, condition, torch.tensor([4.0, 4.0]))
        v = velocity_of(parts["transformer"], x, sigma, condition, torch.ones(2))
        nothing = model.encode(parts, ["", ""], TEXT_TOKENS, "cpu")
        empty = velocity_of(parts["transformer"], x, sigma, nothing, torch.ones(2))
    assert torch.allclose(found, empty + 4 * (v - empty), atol=1e-5)
    assert torch.allclose(found[1], v[1], atol=1e-5)
    assert not torch.allclose(found[0], v[0], atol=1e-3)


def test_masks_are_boxes_of_tokens_or_the_right_panel():
    halves, shares = 0, []
    for index in range(200):
        mask = latents.mask_at("diptychs", index, 8, 16)
        half = np.zeros_like(mask)
        half[:, 8:] = True
        halves += np.array_equal(mask, half)
        alone = latents.mask_at("scenes", index, 8, 8)
        assert np.array_equal(alone, latents.mask_at("scenes", index, 8, 8))
        assert alone.any()
        shares.append(alone.mean())
    assert halves / 200 == pytest.approx(latents.DIPTYCH_PANEL, abs=0.06)
    assert min(shares) < 0.15
    assert max(shares) > 0.8


def test_a_widened_transformer_starts_by_seeing_the_masked_picture_as_it_does_the_noisy_one():
    from recipes.lab.model import transformer

    torch.manual_seed(0)
    narrow = transformer().eval()
    for p in narrow.parameters():
        nn.init.normal_(p, std=0.05)
    wide = fill.widened(narrow).eval()
    assert (wide.config.in_channels, wide.config.out_channels) == (384, 64)
    x, sigma, text = torch.randn(2, 16, 4, 8), torch.rand(2), Condition(torch.randn(2, 5, 128), torch.randn(2, 64))
    masked, mask = torch.randn(2, 16, 4, 8), torch.randn(2, 8, 256)
    with torch.no_grad():
        before = velocity_of(narrow, x + masked, sigma, text, torch.ones(2))
        after = velocity_of(wide, x, sigma, text, torch.ones(2), torch.cat([pack(masked), mask], dim=-1))
    assert torch.allclose(before, after, atol=1e-5)


def test_words_keep_their_numbers(monkeypatch, tmp_path):
    number = {word: model.clip_tokenizer().convert_tokens_to_ids(f"{word}</w>") for word in vocabulary()}
    shipped = json.loads((model.SHIPPED / "tokenizer.json").read_text())["model"]["vocab"]
    assert number == {word: shipped[f"{word}</w>"] for word in vocabulary()}
    monkeypatch.setattr(model, "SHIPPED", tmp_path / "none")
    learned = model.clip_tokenizer()
    assert all(len(learned.tokenize(word)) == 1 for word in vocabulary())


def test_words_are_labelled_with_the_one_item_that_they_mean():
    left = Item("star", "red", "small", "left", fill="striped")
    right = Item("ring", "red", "large", "right")
    scene, tokenizer = Scene((left, right), "sky"), t5_tokenizer()
    text = caption(scene)
    found = reading.labels([text, "a striped red star on a sky background"], [scene, scene], tokenizer, 24)
    words = text.split()
    said = {word: row.tolist() for word, row in zip(words, found[0], strict=False) if row[0] != reading.UNKNOWN}
    names = {
        word: [list(values)[index] for values, index in zip(world.ATTRIBUTES.values(), row, strict=True)]
        for word, row in said.items()
    }
    of_star, of_ring = (list(item.stated.values()) for item in (left, right))
    assert names == {
        **dict.fromkeys(("small", "striped", "star", "left"), of_star),
        **dict.fromkeys(("large", "ring", "right"), of_ring),
    }  # "red" means both
    assert (found[1] == reading.UNKNOWN).all()  # without size and place an item is not described in full
    logits = torch.full((1, 24, sum(map(len, world.ATTRIBUTES.values()))), -20.0)
    ends = np.cumsum([0, *map(len, world.ATTRIBUTES.values())])
    for place, row in enumerate(found[0].tolist()):
        for start, index in zip(ends, row, strict=False):
            if index != reading.UNKNOWN:
                logits[0, place, start + index] = 20.0
    assert reading.reading_loss(logits, found[:1]) < 1e-6
    assert reading.reading_loss(-logits, found[:1]) > 10
    assert reading.reading_loss(logits, found[1:]) == 0  # nothing is labelled
