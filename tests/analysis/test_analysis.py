"""Figures of what happens inside: their numbers against independent computations."""

import csv
import json
import math
import sys

import numpy as np
import pytest
import scipy.stats
import torch
from conftest import GOLDEN
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

from flowedit_grag import InputError
from flowedit_grag.analysis import entropy, toy, vital_layers
from flowedit_grag.analysis.bias import Group, bias, downsampled
from flowedit_grag.analysis.branches import Branches
from flowedit_grag.cli import main

IMAGE = Image.open(GOLDEN / "source_128.png").convert("RGB").resize((64, 48))
WORDS = {"source_prompt": "a cat", "target_prompt": "a dog on the moon"}
DEVIATION = 1.3  # delta of the entropy that is computed twice


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "source.png"
    IMAGE.save(path)
    return path


@pytest.fixture(scope="module")
def branches(tiny):
    return Branches.of(tiny, IMAGE, **WORDS, steps=2, seed=3)


@pytest.fixture(scope="module")
def seen(branches):
    """Whole (q, k) of layers 0 and 7 at both noise levels, which the package never keeps."""
    kept = {0: [], 7: []}

    def keep(layer):
        def edit(q, k, v):
            kept[layer].append((q.double().numpy(), k.double().numpy()))
            return q, k, v

        return edit

    branches.watched({layer: keep(layer) for layer in kept}, "seen")
    return kept


# ---- bias ------------------------------------------------------------------------------------------------------------


def test_sums_of_a_stream_are_those_of_the_whole():
    whole = random(100, 3, 4) + 1000 * random(3, 4, seed=1)
    stream = Group()
    for part in whole.split([1, 1, 40, 58]):
        stream.see(part, thumbnail=len(part) == 58)
    exact, found = whole.double().numpy(), stream.pictured()
    np.testing.assert_allclose(found["norms"], np.linalg.norm(exact, axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["magnitude"], np.linalg.norm(exact.mean(0), axis=-1), rtol=1e-6)
    np.testing.assert_allclose(found["deviation"], np.sqrt(exact.var(0).sum(-1)), rtol=1e-4)
    assert stream.tokens == 100


@pytest.mark.parametrize(
    ("features", "share"),
    [
        (torch.ones(5, 2, 3), 1),
        (torch.tensor([[[1.0]], [[-1.0]]]), 0),
        (torch.tensor([[[4.0]], [[2.0]]]), 9 / 10),
        (torch.zeros(5, 2, 3), 0),
    ],
)
def test_bias_share_of_known_features(features, share):
    group = Group()
    group.see(features)
    assert group.shares == [pytest.approx(share)]


def test_bias_is_that_of_whole_feature_maps(branches, seen):
    found = bias(branches, [7])
    assert list(found["drawn"]) == ["7"]
    text, image = slice(0, branches.layout.text), branches.layout.image
    for name, kind, row, tokens in (
        ("query text", 0, 1, text), ("query edit", 0, 1, image), ("query source", 0, 0, image),
        ("key text", 1, 1, text), ("key edit", 1, 1, image), ("key source", 1, 0, image),
    ):  # fmt: skip
        for layer, passes in seen.items():
            for step, features in enumerate(passes):
                x = features[kind][row, tokens]
                share = (x.mean(0) ** 2).sum() / (x**2).sum(axis=(1, 2)).mean()
                assert found["share"][name][layer][step] == pytest.approx(share, rel=1e-5)
        x = np.concatenate([features[kind][row, tokens] for features in seen[7]])
        drawn = {key: np.array(found["drawn"]["7"][key][name]) for key in ("norms", "magnitude", "deviation")}
        np.testing.assert_allclose(drawn["norms"], np.sqrt((x**2).sum(0)), rtol=1e-5)
        np.testing.assert_allclose(drawn["magnitude"], np.sqrt((x.mean(0) ** 2).sum(-1)), rtol=1e-5)
        centred = np.linalg.norm(x - x.mean(0), axis=-1)  # distance of each token, head by head
        np.testing.assert_allclose(drawn["deviation"], np.sqrt((centred**2).mean(0)), rtol=1e-5)


def test_source_and_edit_differ_by_their_words_only(branches, seen):
    image = branches.layout.image
    assert all(np.abs(q[0, : image.start] - q[1, : image.start]).max() > 0.1 for q, _ in seen[0])
    same = Branches.of(branches.flow, IMAGE, source_prompt="a cat", target_prompt="a cat", steps=1)
    share = bias(same, [])["share"]
    assert share["key edit"] == share["key source"]


def test_downsampled_keeps_every_token_and_every_second_dimension():
    x = random(10, 3, 6)
    small = downsampled(x)
    assert small.shape == (3, 3)
    magnitude = np.abs(x.numpy()).mean(1)
    np.testing.assert_allclose(small[0], magnitude[:4, ::2].mean(0), rtol=1e-5)
    np.testing.assert_allclose(downsampled(x[:8])[1], magnitude[4:8, ::2].mean(0), rtol=1e-5)


# ---- entropy ---------------------------------------------------------------------------------------------------------


def dense(q, k, group):
    """Mean entropies by scipy, among the group and among all."""
    logits = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(q.shape[-1])
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return [scipy.stats.entropy(part, axis=-1).mean() for part in (weights[..., group], weights)]


@pytest.mark.parametrize("block_bytes", [1, 4 * 2 * 20 * 3, 2**26])
def test_entropy_by_blocks_is_entropy(block_bytes):
    q, k = 2 * random(17, 2, 8), 2 * random(20, 2, 8, seed=1)
    found = entropy.attention_entropy(q, k, slice(5, 20), block_bytes)
    np.testing.assert_allclose(found, dense(q.double().numpy(), k.double().numpy(), slice(5, 20)), rtol=1e-5)


def test_entropy_of_known_attention():
    even, sharp = torch.zeros(8, 1, 4), 1e4 * torch.eye(4)[:, None].repeat(2, 1, 1)
    assert entropy.attention_entropy(even, sharp, slice(2, 8)) == pytest.approx((math.log(6), math.log(8)), rel=1e-6)
    assert entropy.attention_entropy(sharp, sharp, slice(0, 4)) == pytest.approx((0, math.log(2)), abs=1e-6)


def test_entropy_of_flux_sized_attention_holds_no_map():
    """4,608 tokens: a map of one head alone would be 75 MB."""

    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and "view" not in str(function) and "expand" not in str(function):
                Largest.elements = max(Largest.elements, out.numel())
            return out

    q, k = random(4096, 2, 4), random(4608, 2, 4, seed=1)
    with Largest():
        whole = entropy.attention_entropy(q, k, slice(512, 4608), block_bytes=2**22)
    assert 0 < Largest.elements * 4 <= 2**22
    assert whole[0] < math.log(4096)
    assert whole[1] < math.log(4608)


def test_entropies_are_those_of_the_source_s_weighed_keys(branches, seen):
    found = entropy.entropies(branches, [1.0, DEVIATION])
    text, image = slice(0, branches.layout.text), branches.layout.image
    for column, delta in enumerate(found["delta"]):
        steps = []
        for q, k in seen[0]:  # the first layer: what is changed in it has not changed its own queries
            source = k[0, image]
            weighed = source.mean(0) + delta * (source - source.mean(0))
            steps.append(dense(q[1, image], np.concatenate([k[1, text], weighed]), image))
        by_hand = np.mean(steps, axis=0)
        assert [found["source"][0][column], found["all"][0][column]] == pytest.approx(list(by_hand), rel=1e-5)
    assert found["source"][0][1] < found["source"][0][0]
    assert len(found["all"]) == 10
    assert found["falling"]["source"] == sum(b < a for a, b in found["source"])


def test_a_figure_can_be_drawn_again_from_its_numbers(branches, tmp_path):
    entropy.write(entropy.entropies(branches, [1.0, 1.2]), tmp_path)
    numbers = json.loads((tmp_path / "entropy.json").read_text())
    again = entropy.draw(numbers, tmp_path / "again.png")
    assert np.array_equal(np.asarray(Image.open(again)), np.asarray(Image.open(tmp_path / "entropy.png")))


@pytest.mark.parametrize("deltas", [[1.0], [1.1, 1.0], [1.0, 1.0]])
def test_entropies_need_deltas_that_rise(branches, deltas):
    with pytest.raises(InputError, match="rise"):
        entropy.entropies(branches, deltas)


# ---- toy -------------------------------------------------------------------------------------------------------------


def by_formula(kind, value):
    """Eq. S1 by hand: a softmax over three numbers."""
    middle, half = (1.9 + 1.2) / 2, (1.9 - 1.2) / 2
    lam = value if kind in "bc" else 1
    delta = value if kind in "cd" else 1
    first, second, word = (math.exp(z) for z in (lam * middle + delta * half, lam * middle - delta * half, 3.4))
    gamma = value if kind == "a" else 1
    whole = first + second + word
    return gamma * first / whole, gamma * second / whole, word / whole


def test_toy_is_the_papers_to_a_millionth():
    found = toy.toy()
    assert len(found) == 4
    for name, curve in found.items():
        expected = [by_formula(name[1], value) for value in toy.VALUES]
        assert np.abs(np.subtract(curve, expected)).max() < 1e-6


def test_toy_says_what_the_paper_says(tmp_path):
    """The word keeps its attention best where delta alone is turned up (§B.1)."""
    toy.write(tmp_path, values=[1.0, 3.0])
    with (tmp_path / "toy.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    is_identity, turned = ([float(row["word"]) for row in rows if row["value"] == value] for value in ("1.0", "3.0"))
    assert is_identity == pytest.approx([is_identity[0]] * 5)
    _, shares, *grag = turned
    assert grag[2] > shares > max(grag[:2])


# ---- vital layers ----------------------------------------------------------------------------------------------------


def test_vitality_is_what_a_picture_loses_without_a_layer(tiny, tmp_path):
    seen = []

    def similarity(first, second):
        seen.append(np.abs(np.asarray(first, float) - np.asarray(second, float)).mean())
        return 1 - seen[-1] / 255

    found = vital_layers.detect(tiny, prompts=["a cat"], seeds=2, steps=1, size=(32, 32), similarity=similarity)
    pairs = np.array(seen).reshape(len(found.layers), 2)
    assert found.vitality == pytest.approx((pairs / 255).mean(axis=1))
    limit = np.mean(found.vitality) + np.std(found.vitality, ddof=1)
    assert found.vital_layers == [layer for layer, value in enumerate(found.vitality) if value > limit]
    path, chart = vital_layers.write(found, tmp_path / "vital.json")
    assert json.loads(path.read_text())["vital_layers"] == found.vital_layers
    assert Image.open(chart).width > 600


def test_similarities(tmp_path, monkeypatch):
    half = Image.new("RGB", (64, 48), (128, 128, 128))
    assert vital_layers.pixels(half, half) == 1
    assert vital_layers.pixels(half, Image.new("RGB", (64, 48), (255, 255, 255))) == pytest.approx(1 - 127 / 255)
    with pytest.raises(InputError, match="similarity"):
        vital_layers.detect(None, similarity="dinno", prompts=["a"])
    monkeypatch.setattr(vital_layers, "DINO", str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="use similarity='pixels'"):
        vital_layers.dino(IMAGE, IMAGE)
    config = Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)
    Dinov2Model(config).save_pretrained(tmp_path / "dino")
    BitImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}).save_pretrained(
        tmp_path / "dino"
    )
    monkeypatch.setattr(vital_layers, "DINO", str(tmp_path / "dino"))
    assert vital_layers.dino(IMAGE, IMAGE) == pytest.approx(1, abs=1e-6)
    assert vital_layers.dino(IMAGE, half) < 0.9999


# ---- the command -----------------------------------------------------------------------------------------------------


def typed(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["flowedit-grag", "analyze", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main.run()
    return ended.value.code


@pytest.mark.parametrize(
    ("command", "options", "files"),
    [
        ("toy", [], {"toy.csv", "toy.png"}),
        ("entropy", ["--steps", 1, "--delta", "1,1.2"], {"entropy.json", "entropy.png"}),
        ("bias", ["--steps", 1, "--layers", "2"], {"bias_share.json", "bias_share.png", "bias_layer02.json",
          "bias_layer02_norms.png", "bias_layer02_heads.png", "bias_layer02_tokens.png"}),
    ],
)  # fmt: skip
def test_commands_write_figures_and_numbers(monkeypatch, tmp_path, capsys, picture, command, options, files):
    words = ["--source-prompt", "a cat", "--target-prompt", "a dog", "--model", GOLDEN / "tiny_flux"]
    given = [] if command == "toy" else [picture, *words, *options]
    assert typed(monkeypatch, command, *given, "-o", tmp_path / "figures") == 0
    assert {path.name for path in (tmp_path / "figures").iterdir()} == files
    assert set(capsys.readouterr().out.split()) == {str(tmp_path / "figures" / name) for name in files}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toy", "-o", "{picture}"], "is a file"),
        (["bias", "nothing.png", "-o", "f"], "nothing.png"),
        (["bias", "{picture}", "-o", "f", "--layers", "two"], "--layers takes numbers"),
        (["bias", "{picture}", "-o", "f", "--layers", "99", "--model", GOLDEN / "tiny_flux"], "99 does not exist"),
        (["entropy", "{picture}", "-o", "f", "--delta", "1:2"], "FROM:TO:COUNT"),
        (["entropy", "{picture}", "-o", "f", "--model", GOLDEN / "tiny_flux_fill"], "Fill model"),
        (["entropy", "{picture}", "-o", "x" * 300, "--model", GOLDEN / "tiny_flux_fill"], "File name too long"),
    ],
)
def test_mistakes_are_one_sentence(monkeypatch, tmp_path, capsys, picture, words, message):
    words = [str(word).format(picture=picture) for word in words]
    monkeypatch.chdir(tmp_path)
    prompts = [] if words[0] == "toy" else ["--source-prompt", "a cat", "--target-prompt", "a dog"]
    assert typed(monkeypatch, *words, *prompts) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []
