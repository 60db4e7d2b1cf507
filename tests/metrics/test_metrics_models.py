"""Metrics with networks: tiny or untrained ones from folders, against other implementations, on 50 pairs."""

import numpy as np
import pytest
import torch
from PIL import Image
from test_judges_models import alphabet, clip_folder, vlm_folder  # noqa: F401 (fixtures)
from test_metrics import PAIRS, published
from torch import nn

from flowedit_grag.judges import judge
from flowedit_grag.judges.pretrained import check_name
from flowedit_grag.metrics import Images, Missing, metric
from flowedit_grag.metrics.lpips import FILES, layers

CLOSE = 1e-4
SIDE = 32


def worst(one, reference, pairs=PAIRS):
    """The largest difference of a metric and another implementation."""
    ours = [one(p) for p in pairs]
    found = max(abs(value - reference(p)) for value, p in zip(ours, pairs, strict=True))
    print(
        f"{one.name}: largest difference {found:.1e} on {len(pairs)} pairs, values {min(ours):.3g} to {max(ours):.3g}"
    )
    assert max(ours) - min(ours) > 20 * CLOSE  # or else anything would agree
    return found


def black(image, where):
    """``image`` with black outside ``where``."""
    image = image.copy()
    image[~where] = 0
    return image


def cosine(a, b):
    return float(torch.nn.functional.cosine_similarity(a, b, dim=-1))


# LPIPS: untrained layers, real heads, torchmetrics as the other implementation


@pytest.fixture(scope="module")
def lpips_folder(tmp_path_factory):
    """Files as torchvision's, with untrained layers and a classifier that is not needed."""
    folder = tmp_path_factory.mktemp("lpips")
    torch.manual_seed(0)
    for net, file in FILES.items():
        stack = layers(net)
        for weight in stack.parameters():  # as lively as trained ones: the defaults all but ignore the picture
            nn.init.kaiming_normal_(weight) if weight.ndim > 1 else nn.init.zeros_(weight)
        state = {f"features.{name}": value for name, value in stack.state_dict().items()}
        torch.save({**state, "classifier.1.weight": torch.zeros(2)}, folder / file)
    return str(folder)


class OtherFire(nn.Module):
    def __init__(self, state, at):
        super().__init__()
        self.parts = {k.removeprefix(f"{at}."): v for k, v in state.items() if k.startswith(f"{at}.")}

    def forward(self, x):
        def conv(x, name, padding=0):
            return nn.functional.conv2d(x, self.parts[f"{name}.weight"], self.parts[f"{name}.bias"], padding=padding)

        x = nn.functional.relu(conv(x, "squeeze"))
        wide = conv(x, "expand1x1"), conv(x, "expand3x3", 1)
        return nn.functional.relu(torch.cat(wide, dim=1))


# torchvision's models as lists: a number pair is (stride, padding) of a convolution, R a rectification, P a pooling
OTHERS = {
    "alex": [(4, 2), "R", "P", (1, 2), "R", "P", (1, 1), "R", (1, 1), "R", (1, 1), "R", "P"],
    "squeeze": [(2, 0), "R", "P", "F", "F", "P", "F", "F", "P", "F", "F", "F", "F"],
    "vgg": [*((1, 1), "R") * 2, "M", *((1, 1), "R") * 2, "M", *(*((1, 1), "R") * 3, "M") * 3],
}


def other_backbone(net, state):
    """What torchvision would give for the ``features`` of these weights."""
    state = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
    found = []
    for at, layer in enumerate(OTHERS[net]):
        if isinstance(layer, tuple):
            weight = state[f"{at}.weight"]
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:], *layer)
            conv.load_state_dict({"weight": weight, "bias": state[f"{at}.bias"]})
            found.append(conv)
        else:
            pooling = nn.MaxPool2d(3, 2, ceil_mode=net == "squeeze") if layer == "P" else nn.MaxPool2d(2)
            found.append(OtherFire(state, at) if layer == "F" else nn.ReLU() if layer == "R" else pooling)
    return nn.Sequential(*found)


@pytest.fixture
def torchmetrics_lpips(lpips_folder, monkeypatch):
    """Torchmetrics' LPIPS with the real heads, on the backbone of the folder in torchvision's place."""
    from torchmetrics.functional.image import lpips as theirs

    def build(net, **options):
        state = torch.load(f"{lpips_folder}/{FILES[net]}")
        monkeypatch.setattr(theirs, "_get_tv_model_features", lambda *args: other_backbone(net, state))
        return theirs._NoTrainLpips(net=net, **options)

    return build


def signed(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 * 2 - 1


@pytest.mark.parametrize(("net", "count"), [("squeeze", 50), ("alex", 50), ("vgg", 5)])
def test_lpips_is_torchmetrics(net, count, lpips_folder, torchmetrics_lpips):
    theirs = torchmetrics_lpips(net)
    ours = metric("lpips", net=net, weights=lpips_folder)
    big = [Images(*(image.repeat(2, 0).repeat(2, 1) for image in (p.edited, p.source))) for p in PAIRS]
    with torch.no_grad():
        assert worst(ours, lambda p: float(theirs(signed(p.edited), signed(p.source))), big[:count]) <= CLOSE
    assert ours(Images(big[0].edited, big[0].edited)) == 0.0


def test_lpips_of_a_region_sees_nothing_else_and_is_not_diluted(lpips_folder):
    outside, whole = (metric(name, weights=lpips_folder) for name in ("lpips_outside", "lpips"))
    p = PAIRS[0]
    changed = p.edited.copy()
    changed[p.mask] = 255 - changed[p.mask]
    assert outside(Images(changed, p.source, mask=p.mask)) == outside(p)
    everything = Images(p.edited, p.source, mask=np.zeros_like(p.mask))
    assert outside(everything) == pytest.approx(whole(p), abs=1e-6)
    half = np.ones_like(p.mask)
    half[:, :20] = False
    hidden = Images(*(black(image, ~half) for image in (p.edited, p.source)))
    assert outside(Images(p.edited, p.source, mask=half)) > 1.3 * whole(hidden)


def test_published_lpips_is_torchmetrics_on_the_published_pictures(lpips_folder, torchmetrics_lpips):
    theirs = torchmetrics_lpips("squeeze")
    ours = metric("pie_published_lpips", weights=lpips_folder)
    with torch.no_grad():
        assert worst(ours, lambda p: float(theirs(*(2 * image - 1 for image in published(p))))) <= CLOSE


# DINO


@pytest.fixture(scope="module")
def dino_folder(tmp_path_factory):
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    config = ViTConfig(**small, image_size=SIDE, patch_size=8, qkv_bias=True, initializer_range=0.3)
    folder = tmp_path_factory.mktemp("dino")
    ViTModel(config).save_pretrained(folder)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}, image_mean=mean, image_std=std).save_pretrained(folder)
    return str(folder)


class OtherViT:
    """A vision transformer written out from its weights."""

    def __init__(self, folder):
        from safetensors.torch import load_file
        from transformers import ViTModel

        self.w = dict(ViTModel.from_pretrained(folder).state_dict())
        assert set(load_file(f"{folder}/model.safetensors"))

    def linear(self, x, name):
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdim=True)
        x = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-12).sqrt()
        return x * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def __call__(self, pixels):
        """Class token after the last norm, and the last layer's keys, of ``pixels`` ``[3, side, side]``."""
        kernel = self.w["embeddings.patch_embeddings.projection.weight"]
        grid = pixels.unfold(1, 8, 8).unfold(2, 8, 8).permute(1, 2, 0, 3, 4).reshape(-1, kernel[0].numel())
        patches = grid @ kernel.flatten(1).T + self.w["embeddings.patch_embeddings.projection.bias"]
        x = torch.cat([self.w["embeddings.cls_token"][0], patches]) + self.w["embeddings.position_embeddings"][0]
        for layer in range(3):
            at = f"layers.{layer}"
            normed = self.norm(x, f"{at}.layernorm_before")
            q, k, v = (self.linear(normed, f"{at}.attention.{part}_proj") for part in "qkv")
            heads = []
            for head in range(2):
                part = slice(8 * head, 8 * head + 8)
                heads.append((q[:, part] @ k[:, part].T / 8**0.5).softmax(-1) @ v[:, part])
            x = x + self.linear(torch.cat(heads, dim=1), f"{at}.attention.o_proj")
            hidden = nn.functional.gelu(self.linear(self.norm(x, f"{at}.layernorm_after"), f"{at}.mlp.fc1"))
            x = x + self.linear(hidden, f"{at}.mlp.fc2")
        return self.norm(x, "layernorm")[0], k


def normalised(image, scale=255.0):
    """As the processor: resized by PIL, ImageNet's normalisation."""
    resized = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32) / scale
    return torch.from_numpy((resized - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).permute(2, 0, 1).float()


def middle(image):
    """MagicBrush's: the shorter side to 8/7 of the network's, bicubic; the middle; ImageNet's normalisation."""
    height, width = (SIDE * 8 // 7 * size // min(image.shape[:2]) for size in image.shape[:2])
    resized = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255
    top, left = round((height - SIDE) / 2), round((width - SIDE) / 2)
    cut = resized[top : top + SIDE, left : left + SIDE]
    return torch.from_numpy((cut - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).permute(2, 0, 1).float()


@pytest.fixture
def vit(dino_folder):
    with torch.no_grad():
        yield OtherViT(dino_folder)


def other_structure(a, b):
    """Differences of cosines, one pair of tokens at a time."""
    total = 0.0
    for i in range(len(a)):
        first = torch.nn.functional.cosine_similarity(a[i : i + 1], a)
        total += float(((first - torch.nn.functional.cosine_similarity(b[i : i + 1], b)) ** 2).sum())
    return total / len(a) ** 2


def test_dino_is_the_cosine_of_class_tokens(dino_folder, vit):
    def other(p):
        return cosine(vit(middle(p.edited))[0], vit(middle(p.source))[0])

    def other_inside(p):
        return cosine(*(vit(middle(black(image, p.mask)))[0] for image in (p.edited, p.truth)))

    assert worst(metric("dino", model=dino_folder), other) <= CLOSE
    assert worst(metric("dino_truth_inside", model=dino_folder), other_inside) <= CLOSE


def test_structure_is_the_difference_of_self_similarities(dino_folder, vit):
    def other(p):
        return other_structure(*(vit(normalised(image))[1] for image in (p.edited, p.source)))

    def other_outside(p):
        keys = [vit(normalised(black(image, ~p.mask)))[1][1:] for image in (p.edited, p.source)]
        white = np.repeat(np.uint8(255) * ~p.mask[..., None], 3, axis=2)
        share = np.asarray(Image.fromarray(white).resize((SIDE, SIDE), Image.Resampling.BILINEAR), float)[..., 0]
        patches = share.reshape(SIDE // 8, 8, SIDE // 8, 8).mean(axis=(1, 3)).ravel() >= 127.5
        assert 0 < patches.sum() < patches.size
        return other_structure(*(k[torch.from_numpy(patches)] for k in keys))

    assert worst(metric("structure", model=dino_folder), other) <= CLOSE
    assert worst(metric("structure_outside", model=dino_folder), other_outside) <= CLOSE
    assert metric("structure", model=dino_folder)(Images(PAIRS[0].source, PAIRS[0].source)) == 0.0


def test_published_structure_distance_feeds_0_to_255(dino_folder, vit):
    """Square pictures, as PIE-Bench's; at twice the side, bilinear without antialiasing is the mean of 2 x 2."""
    from test_metrics import pair

    def halved(image):
        return image.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3)).astype(np.float32)

    def other(p):
        keys = []
        for image in (p.edited, p.source):
            scaled = (halved(image) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
            keys.append(vit(torch.from_numpy(scaled).permute(2, 0, 1).float())[1])
        return other_structure(*keys)

    pairs = [pair(seed, 2 * SIDE, 2 * SIDE) for seed in range(50)]
    assert worst(metric("pie_published_structure", model=dino_folder), other, pairs) <= CLOSE


def test_published_structure_distance_takes_other_shapes(dino_folder):
    assert 0 < metric("pie_published_structure", model=dino_folder)(PAIRS[0]) < 4


# CLIP


@pytest.fixture(scope="module")
def logits(clip_folder):  # noqa: F811
    """The cosine of picture and text from CLIP's own logits, and the embeddings of a picture."""
    from transformers import CLIPModel, CLIPProcessor

    network, processor = CLIPModel.from_pretrained(clip_folder).eval(), CLIPProcessor.from_pretrained(clip_folder)

    def of(image, text="a cat"):
        inputs = processor(text=[text], images=Image.fromarray(image), return_tensors="pt")
        with torch.no_grad():
            out = network(**inputs)
        return float(out.logits_per_image[0, 0] / network.logit_scale.exp().item()), out.image_embeds[0]

    return of


def test_clip_similarities_are_those_of_its_own_logits(clip_folder, logits):  # noqa: F811
    folder = str(clip_folder)
    references = {
        "clip_i": lambda p: cosine(logits(p.edited)[1], logits(p.source)[1]),
        "clip_i_truth": lambda p: cosine(logits(p.edited)[1], logits(p.truth)[1]),
        "clip_i_outside": lambda p: cosine(*(logits(black(image, ~p.mask))[1] for image in (p.edited, p.source))),
        "clip_t": lambda p: logits(p.edited)[0],
        "clip_t_inside": lambda p: logits(black(p.edited, p.mask))[0],
        "pie_published_clip": lambda p: max(100 * logits(p.edited)[0], 0),
    }
    for name, reference in references.items():
        scale = 100 if name.startswith("pie") else 1
        assert worst(metric(name, model=folder), reference) <= CLOSE * scale, name


def test_the_published_edited_part_has_a_frame(clip_folder, logits):  # noqa: F811
    def other(p):
        framed = p.mask.copy()
        framed[0], framed[-1], framed[:, 0], framed[:, -1] = True, True, True, True
        return max(100 * logits(black(p.edited, framed))[0], 0)

    assert worst(metric("pie_published_clip_edited", model=str(clip_folder)), other) <= 100 * CLOSE


# what is not there


@pytest.mark.parametrize("name", ["dino", "structure", "clip_i", "clip_t", "pie_published_structure"])
def test_missing_weights_are_looked_for_once_and_stop_nothing(name, tmp_path, monkeypatch):
    looked, seen = [], "flowedit_grag.metrics.networks.check_name"
    monkeypatch.setattr(seen, lambda model: looked.append(model) or check_name(model))
    one = metric(name, model=str(tmp_path / "nothing"))
    assert one(PAIRS[0]).reason.startswith("no weights: there is no model")
    assert one(PAIRS[0]) == one(PAIRS[1])
    assert len(looked) == 1


def test_missing_lpips_weights_say_where_to_put_them(tmp_path):
    found = metric("lpips", weights=str(tmp_path))(PAIRS[0])
    assert "save https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth in a folder" in found.reason
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / FILES["alex"])
    assert "no weights of LPIPS' alex" in metric("lpips", net="alex", weights=str(tmp_path))(PAIRS[0]).reason


# a local vision-language model


def test_a_local_model_writes_its_scores(vlm_folder, monkeypatch):  # noqa: F811
    processor, network = judge(f"vlm:{vlm_folder}")._loaded
    letters, seen = processor.tokenizer.convert_ids_to_tokens, []

    def generate(said):
        def answer(input_ids, do_sample, max_new_tokens, **inputs):
            seen.append((input_ids.shape, do_sample))
            tokens = torch.tensor([processor.tokenizer.encode(said, add_special_tokens=False)])
            return torch.cat([input_ids, tokens], dim=1)

        return answer

    one = metric("viescore_sc", judge=f"vlm:{vlm_folder}")
    monkeypatch.setattr(processor.tokenizer, "decode", lambda tokens, **options: "".join(letters(tokens)))
    p, fresh = PAIRS[0], Images(PAIRS[1].edited, PAIRS[1].source, instruction="add a cat")
    monkeypatch.setattr(network, "generate", generate('Sure: {"score": [7, 9], "reasoning": "ok"} ok'), raising=False)
    assert one(p) == 7.0
    monkeypatch.setattr(network, "generate", generate("seven"), raising=False)
    assert "not the JSON" in one(fresh).reason
    assert not seen[0][1]


def test_an_untrained_model_writes_nonsense_and_that_is_missing(vlm_folder):  # noqa: F811
    found = metric("viescore_pq", judge=f"vlm:{vlm_folder}")(PAIRS[2])
    assert isinstance(found, Missing)
    assert "not the JSON" in found.reason
