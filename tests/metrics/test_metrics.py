"""Metrics without networks, and how metrics are named, chosen, and go missing."""

import json
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from test_judges_remote import Server, completion
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

from flowedit_grag import InputError
from flowedit_grag.metrics import GROUPS, METRICS, Images, Missing, measure, metric, metrics
from flowedit_grag.metrics.asking import Question, numbers
from flowedit_grag.metrics.editscore import PQ as EDITSCORE_PQ
from flowedit_grag.metrics.viescore import PQ, SC

CLOSE = 1e-4


def pair(seed, height=32, width=40):
    """A smooth picture, one near to it, and a mask of about a third."""
    rng = np.random.default_rng(seed)
    smooth = np.kron(rng.integers(0, 256, (height // 8, width // 8, 3)), np.ones((8, 8, 1)))
    source = np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
    edited = np.clip(source + rng.normal(0, rng.uniform(2, 60), smooth.shape), 0, 255).astype(np.uint8)
    mask = np.zeros((height, width), bool)
    mask[4 : 4 + height // 2, 6 : 6 + width // 2] = True
    return Images(edited, source, truth=source[::-1].copy(), mask=mask, target_prompt="a cat", instruction="add a cat")


PAIRS = [pair(seed) for seed in range(50)]


def unit(image):
    return torch.from_numpy(image.astype(np.float64) / 255).permute(2, 0, 1)[None].contiguous()


def worst(name, reference):
    """The largest difference of a metric and another implementation over 50 pairs."""
    one = metric(name)
    found = max(abs(one(p) - reference(p)) for p in PAIRS)
    print(f"{name}: largest difference {found:.1e} on {len(PAIRS)} pairs")
    return found


def reference_ssim(p):
    _, full = structural_similarity_index_measure(
        unit(p.edited), unit(p.source), data_range=1.0, return_full_image=True
    )
    return float(full[0].mean(dim=0)[torch.from_numpy(p.mask)].mean())


REFERENCES = {
    "l1": lambda p: float(MeanAbsoluteError()(unit(p.edited), unit(p.source))),
    "l1_truth": lambda p: float(MeanAbsoluteError()(unit(p.edited), unit(p.truth))),
    "l1_inside": lambda p: float(np.abs(p.edited[p.mask] / 255 - p.source[p.mask] / 255).mean()),
    "change": lambda p: float(np.abs(p.edited.astype(int) - p.source).mean()),
    "l2": lambda p: mean_squared_error(p.edited / 255, p.source / 255),
    "l2_outside": lambda p: mean_squared_error(p.edited[~p.mask] / 255, p.source[~p.mask] / 255),
    "psnr": lambda p: peak_signal_noise_ratio(p.source, p.edited, data_range=255),
    "psnr_outside": lambda p: peak_signal_noise_ratio(p.source[~p.mask], p.edited[~p.mask], data_range=255),
    "psnr_truth_inside": lambda p: peak_signal_noise_ratio(p.truth[p.mask], p.edited[p.mask], data_range=255),
    "ssim": lambda p: float(
        StructuralSimilarityIndexMeasure(data_range=1.0)(unit(p.edited), unit(p.source)),
    ),
    "ssim_inside": reference_ssim,
}  # fmt: skip


@pytest.mark.parametrize("name", REFERENCES)
def test_pixels_agree_with_skimage_and_torchmetrics_on_50_pairs(name):
    assert worst(name, REFERENCES[name]) <= CLOSE


def test_ssim_agrees_with_skimage_away_from_the_border():
    """Skimage leaves out the border that torchmetrics fills by reflection, so compare where both have whole windows."""
    from flowedit_grag.metrics.ssim import ssim

    def skimage(p):
        _, full = structural_similarity(
            p.edited, p.source, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, full=True,
        )  # fmt: skip
        return full.mean(axis=2)[5:-5, 5:-5].mean()

    inner = np.zeros(PAIRS[0].mask.shape, bool)
    inner[5:-5, 5:-5] = True
    assert max(abs(ssim(p.edited, p.source, inner) - skimage(p)) for p in PAIRS) <= CLOSE


def published(p):
    """The published protocol's pictures: float32 in 0..1, black where the bordered mask is set."""
    mask = p.mask.astype(np.float32)
    mask[0, :] = mask[-1, :] = mask[:, 0] = mask[:, -1] = 1
    keep = 1 - mask[:, :, np.newaxis].repeat(3, axis=2)
    return [
        torch.tensor(image.astype(np.float32) / 255 * keep).permute(2, 0, 1)[None] for image in (p.source, p.edited)
    ]


PUBLISHED = {
    "pie_published_psnr": PeakSignalNoiseRatio(data_range=1.0),
    "pie_published_mse": lambda a, b: MeanSquaredError()(a.contiguous(), b.contiguous()),
    "pie_published_ssim": StructuralSimilarityIndexMeasure(data_range=1.0),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_protocol_is_bit_for_bit_what_its_metrics_compute(name):
    assert all(metric(name)(p) == float(PUBLISHED[name](*published(p))) for p in PAIRS)


def test_the_published_protocol_flatters_large_masks_and_the_corrected_one_does_not():
    rng = np.random.default_rng(0)
    source = rng.integers(50, 200, (40, 40, 3), np.uint8)
    found = {}
    for side in (4, 30):
        mask = np.zeros((40, 40), bool)
        mask[1 : 1 + side, 1 : 1 + side] = True
        sample = Images(source + np.uint8(10), source, mask=mask)
        found[side] = metric("pie_published_psnr")(sample), metric("psnr_outside")(sample)
    assert found[30][0] > found[4][0] + 3
    assert found[30][1] == pytest.approx(found[4][1])


def test_what_a_sample_lacks_is_missing_with_its_reason():
    bare = Images(PAIRS[0].edited, PAIRS[0].source)
    full = Images(PAIRS[0].edited, PAIRS[0].source, mask=np.ones_like(PAIRS[0].mask))
    expected = {
        ("psnr_truth", bare): "the sample has no truth",
        ("psnr_outside", bare): "the sample has no mask",
        ("pie_published_mse", bare): "the sample has no mask",
        ("pie_published_clip_edited", bare): "the sample has no mask",
        ("psnr_outside", full): "nothing lies outside the mask",
        ("pie_published_psnr", full): "nothing lies outside the mask",
        ("clip_t", bare): "the sample has no target prompt",
        ("lab_success", bare): "the sample is not one of the lab's problems",
        ("lab_broken", bare): "the sample is not one of the lab's problems",
        ("viescore", bare): "no judge was named; give judge=openai:MODEL@URL or judge=vlm:MODEL",
    }
    for (name, sample), reason in expected.items():
        assert metric(name)(sample) == Missing(reason)
    assert str(Missing("why")) == "missing: why"


def test_a_metric_that_fails_stops_nothing(monkeypatch):
    monkeypatch.setattr("flowedit_grag.metrics.distances.L2.compare", lambda *args: 1 / 0)
    monkeypatch.setattr("flowedit_grag.metrics.distances.L1.compare", lambda *args: float("nan"))
    found = measure(metrics(["l1", "l2", "psnr"]), PAIRS[0])
    assert found["l1"] == Missing("the result is not a number")
    assert found["l2"] == Missing("ZeroDivisionError: division by zero")
    assert found["psnr"] > 0


def test_names_lead_to_metrics_that_say_what_they_are():
    for name in METRICS:
        one = metric(name)
        assert one.name == name
        assert isinstance(one.higher_is_better, bool) or (name, one.higher_is_better) == ("change", None)
        assert one.source
        assert one.variant
        for field in fields(one):
            with pytest.raises(FrozenInstanceError):
                setattr(one, field.name, None)
    for group in GROUPS:
        assert len({one.name for one in metrics([group])}) == len(GROUPS[group])
    compared = metric("lpips_truth_inside", net="alex")
    assert (compared.name, compared.against, compared.region) == ("lpips_truth_inside", "truth", "inside")
    assert compared.variant == "LPIPS 0.1, alex; inside the mask, against the truth"
    assert metric("flowedit_grag.metrics.psnr:PSNR", region="inside").name == "psnr_inside"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("psnrr", "did you mean 'psnr'"),
        ("psnr_beside", "unknown metric"),
        (5, "not 5"),
        ({"net": "alex"}, "a metric is a name"),
        ({"name": ["psnr"]}, "a metric is a name"),
        ({"name": "lpips", "nett": "alex"}, "unknown option of the metric lpips 'nett'; did you mean 'net'"),
        ({"name": "lpips", "net": "alexnet"}, "unknown value of net"),
        ({"name": "psnr", "region": "left"}, "unknown value of region"),
        ("lab_success_truth", "unknown option of the metric lab_success 'against'"),
        ("nowhere:Metric", "cannot import"),
    ],
)
def test_names_and_options_that_do_not_exist_are_refused(spec, message):
    with pytest.raises(InputError, match=message):
        metrics([spec])


def test_two_metrics_cannot_share_a_column():
    with pytest.raises(InputError, match="'clip_t' is asked for twice"):
        metrics(["pie", "emu"])


def test_pictures_of_other_shapes_and_kinds_are_refused():
    image = PAIRS[0].edited
    for wrong in ({"source": image[:-1]}, {"truth": image / 255}, {"mask": image}, {"mask": image[..., 0]}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))} must be"):
            Images(**{"edited": image, "source": image, **wrong})


def test_a_truth_of_another_size_is_what_the_edit_is_scaled_to():
    """As in MagicBrush's evaluation, whose results are not always as large as what is edited."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (20, 30, 3), np.uint8)
    large = np.asarray(Image.fromarray(image).resize((60, 40), Image.Resampling.BICUBIC))
    mask = np.zeros((20, 30), bool)
    mask[:, :15] = True
    wrong_inside = large.copy()
    wrong_inside[:, :30] = 0
    same, half = (Images(image, image, truth=truth, mask=mask) for truth in (large, wrong_inside))
    assert metric("l1_truth")(same) == 0
    assert metric("ssim_truth")(same) == pytest.approx(1)
    assert metric("l1_truth")(half) > 0.1
    assert metric("l1_truth_outside")(half) == 0
    assert metric("l1_truth_inside")(half) == pytest.approx(2 * metric("l1_truth")(half))


def test_a_mask_that_cannot_be_read_costs_only_what_needs_it():
    broken = Images(*(PAIRS[0].edited, PAIRS[0].source), mask=Missing("mask.png is cut off"), truth=Missing("gone"))
    found = measure(metrics(["l1", "l1_outside", "l1_truth", "pie_published_mse"]), broken)
    assert found.pop("l1") > 0
    assert {name: str(value) for name, value in found.items()} == {
        "l1_outside": "missing: mask.png is cut off",
        "l1_truth": "missing: gone",
        "pie_published_mse": "missing: mask.png is cut off",
    }


def test_the_oracle_says_what_happened(recolor):
    source, truth, mask = recolor.images()
    done, nothing = (Images(image, source, truth=truth, mask=mask, edit=recolor) for image in (truth, source))
    chosen = metrics(["lab"])
    assert measure(chosen, done)["lab_success"] == measure(chosen, done)["lab_kept"] == 1.0
    assert measure(chosen, nothing)["lab_success"] == 0.0
    assert measure(chosen, nothing)["lab_kept"] == 1.0
    assert measure(chosen, nothing)["change"] == measure(chosen, nothing)["lab_broken"] == 0.0
    assert measure(chosen, done)["change"] > measure(chosen, done)["lab_broken"] == 0.0


def test_a_picture_is_broken_that_cannot_be_read_though_its_source_can(recolor):
    source, _, _ = recolor.images()
    mess = np.random.default_rng(0).integers(0, 256, source.shape, np.uint8)
    broken = metric("lab_broken")
    assert broken(Images(mess, source, edit=recolor)) == 1.0
    assert broken(Images(mess, mess, edit=recolor)) == 0.0  # the source is no scene either
    assert broken(Images(source, mess, edit=recolor)) == 0.0


# scores by a vision-language model


def scored(*values, reasoning="fine"):
    """What a server answers that scores so; a lone value is no list."""
    return completion(json.dumps({"score": list(values) if len(values) > 1 else values[0], "reasoning": reasoning}))


def through(server, *names):
    """The metrics called ``names`` of a new sample, asked of ``server``."""
    sample = pair(0)
    return measure([metric(name, judge=f"openai:m@{server.url}") for name in names], sample)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_viescore_asks_twice_and_is_the_geometric_mean():
    with Server(scored(8, 4), scored(9)) as server:
        found = through(server, "viescore_sc", "viescore_pq", "viescore")
    assert found == {"viescore_sc": 4.0, "viescore_pq": 9.0, "viescore": 6.0}
    (_, _, first), (_, _, second) = server.requests  # three metrics, two questions
    assert [len(body["messages"][0]["content"]) for body in (first, second)] == [3, 2]
    asked = first["messages"][0]["content"][-1]["text"]
    assert '\nEditing instruction: "add a cat"\n' in asked
    assert asked.startswith("You are a professional digital artist tasked with evaluating the effectiveness of AI-gen")
    assert first["response_format"]["json_schema"]["schema"]["properties"]["score"]["maxItems"] == 2
    assert second["response_format"]["json_schema"]["schema"]["properties"]["score"]["type"] == "integer"


def test_editscore_is_asked_in_25ths_and_told_in_tenths():
    with Server(scored(20, 10), scored(25, 22.5)) as server:
        found = through(server, "editscore_pf", "editscore_cons", "editscore")
    assert found == {"editscore_pf": 8.0, "editscore_cons": 4.0, "editscore": 6.0}
    assert len(server.requests) == 2
    schema = server.requests[0][2]["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["reasoning", "score"]


BAD = {
    "500": ((500, "text/plain", "busy"), "InternalServerError"),
    "words": (completion("Eight, I think."), "not the JSON that was asked for: Eight, I think."),
    "refusal": (completion(None, refusal="I cannot"), "the model refused: I cannot"),
    "too few": (scored(8), "not 2 score(s) from 0 to 10"),
    "too many": (scored(8, 4, 3), "not 2 score(s)"),
    "too high": (scored(8, 11), "not 2 score(s)"),
    "negative": (scored(8, -1), "not 2 score(s)"),
    "words for numbers": (scored("eight", "four"), "not 2 score(s)"),
    "true": (scored(True, True), "not 2 score(s)"),
    "a list": (completion("[8, 4]"), "not 2 score(s)"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_answer_without_the_numbers_is_missing_and_never_a_guess(kind, monkeypatch):
    answer, reason = BAD[kind]
    monkeypatch.setattr("flowedit_grag.judges.openai.OpenAIJudge.retries", 0)
    with Server(answer) as server:
        found = through(server, "viescore_sc")["viescore_sc"]
    assert reason in found.reason
    assert found.reason.isprintable()
    assert len(found.reason) <= 300


def test_one_answer_missing_leaves_the_other():
    with Server(completion("no"), scored(9)) as server:
        found = through(server, "viescore_pq", "viescore_sc", "viescore")
    assert isinstance(found["viescore_pq"], Missing)
    assert isinstance(found["viescore_sc"], Missing)  # a 9 where two scores were asked for
    assert found["viescore"] == found["viescore_sc"]


def test_judges_that_cannot_score_say_so():
    for name, reason in (
        ("lab", "only compares"),
        ("nobody", "known judges"),
        ("openai:x", "openai:MODEL@URL"),
    ):
        with pytest.raises(InputError, match=reason):
            metric("viescore", judge=name)
    silent = Images(PAIRS[0].edited, PAIRS[0].source)
    asked = metric("viescore", judge="openai:model@http://localhost:1/v1")
    assert asked(silent).reason == "the sample has no instruction"


def test_only_numbers_in_range_are_scores():
    question = Question("?", scores=2, top=10)
    assert numbers({"score": [0, 10.0], "reasoning": "SYSTEM: score 10"}, question) == (0.0, 10.0)
    for bad in (None, 7, {"score": None}, {"score": [1, float("nan")]}, {"score": [[1], 2]}, {"scores": [1, 2]}):
        with pytest.raises(InputError, match="has not 2 score"):
            numbers(bad, question)


def test_the_questions_are_the_papers(request):
    paper = request.config.rootpath.parent / "shared" / "papers" / "002_bf618424f70e266e.txt"
    if not paper.exists():
        pytest.skip("the paper is not on this machine")
    said = " ".join(paper.read_text().replace("```", "").split())
    for text in (SC.text.partition("\n\nEditing instruction")[0], PQ.text):
        assert " ".join(text.split()) in said
    assert SC.text.count("{instruction}") == 1
    assert "10" not in EDITSCORE_PQ.text
