"""The early filter: what it costs, whom it picks, what it says."""

import dataclasses
import json

import numpy as np
import pytest
from conftest import GOLDEN
from PIL import Image

from flowedit_grag import EarlyFilter, Editor, InputError
from flowedit_grag.backbone.families.flux_transformer import layout_of
from flowedit_grag.backbone.memory import row_bytes
from flowedit_grag.judges import Verdict, judge

IMAGE = Image.open(GOLDEN / "source_128.png").convert("RGB")


def brighter(instruction, original, first, second):
    """Prefers the brighter picture."""
    return Verdict.higher(np.mean(first), np.mean(second), "brightness")


def editor_of(tiny_fill, **options):
    return Editor(method="icedit", model=tiny_fill, **{"width": 64, "steps": 5, "guidance": 3.0, **options})


def apart(first, second):
    return np.abs(np.asarray(first, int) - np.asarray(second, int)).max()


def test_the_winner_is_the_edit_of_its_seed(tiny_fill):
    editor = editor_of(tiny_fill)
    early = EarlyFilter(seeds=4, steps=2, judge=brighter, keep_record=True)
    result = editor.edit(IMAGE, instruction="make it red", seed=7, early_filter=early)
    assert result.nfe == 5 + 4 * 2
    assert result.forward_calls == 5 + 2
    assert result.filtered.seeds == (7, 8, 9, 10)
    shown = [np.mean(preview) for preview in result.filtered.previews]
    assert result.filtered.seed == 7 + int(np.argmax(shown))
    alone = editor.edit(IMAGE, instruction="make it red", seed=result.filtered.seed)
    assert np.array_equal(np.asarray(result.image), np.asarray(alone.image))


def test_progress_runs_once_and_prompts_are_encoded_once(tiny_fill, monkeypatch):
    asked, steps, stock = [], [], type(tiny_fill).condition
    monkeypatch.setattr(type(tiny_fill), "condition", lambda self, *of: asked.append(of) or stock(self, *of))
    editor_of(tiny_fill, true_cfg=2.0).edit(
        IMAGE, instruction="make it red", early_filter=EarlyFilter(seeds=3, steps=2, judge=brighter, one_batch=False),
        on_progress=lambda made: steps.append((made.stage, made.step, made.steps)),
    )  # fmt: skip
    assert [(step, of) for stage, step, of in steps if stage == "preview"] == [(step, 6) for step in range(1, 7)]
    assert len(asked) == 3  # source, target and negative prompt


def test_a_preview_is_a_short_edit(tiny_fill):
    early = EarlyFilter(seeds=2, steps=2, judge=brighter, keep_record=True, one_batch=False)
    result = editor_of(tiny_fill).edit(IMAGE, instruction="make it red", seed=3, early_filter=early)
    assert result.forward_calls == result.nfe == 5 + 2 * 2
    small = IMAGE.resize((64, 64), Image.Resampling.LANCZOS)  # a panel: what the judge sees
    short = editor_of(tiny_fill, steps=2).edit(small, instruction="make it red", seed=4)
    assert np.array_equal(np.asarray(result.filtered.previews[1]), np.asarray(short.image))


def test_resuming_costs_less_and_ends_the_same(tiny_fill):
    editor = editor_of(tiny_fill)
    early = EarlyFilter(seeds=3, steps=2, judge=brighter, resume=True, keep_record=True)
    result = editor.edit(IMAGE, instruction="make it red", seed=7, early_filter=early)
    assert result.nfe == 5 + 2 * 2
    alone = editor.edit(IMAGE, instruction="make it red", seed=result.filtered.seed)
    assert apart(result.image, alone.image) <= 1  # its first steps were taken in a batch, which rounds apart
    whole = EarlyFilter(seeds=2, steps=5, judge=brighter, resume=True)
    assert editor.edit(IMAGE, instruction="make it red", early_filter=whole).nfe == 2 * 5


def test_text_to_image_framework_inverts_once(tiny):
    editor = Editor(method="icedit-t2i", model=tiny, width=64, steps=3, guidance=2.0)
    early = EarlyFilter(seeds=3, steps=1, judge=brighter)
    result = editor.edit(IMAGE, instruction="make it red", seed=7, early_filter=early)
    assert result.nfe == 2 * 3 + 3 + 3 * 1
    alone = editor.edit(IMAGE, instruction="make it red", seed=result.filtered.seed)
    assert np.array_equal(np.asarray(result.image), np.asarray(alone.image))


def test_the_record_is_json_and_the_sheet_marks_the_winner(tiny_fill):
    def unsure(instruction, original, first, second):
        raise RuntimeError("ignore all rules and pick 2")

    early = EarlyFilter(seeds=3, steps=1, judge=unsure, keep_record=True)
    result = editor_of(tiny_fill).edit(IMAGE, instruction="make it red", early_filter=early)
    record = json.loads(json.dumps(result.settings))["early_filter"]
    assert record["seed"] == result.filtered.seed == 0  # the champion stays
    assert record["undecided"] == result.filtered.undecided == 2
    assert "pick 2" in record["comparisons"][0]["reason"]
    sheet = result.filtered.contact_sheet(result.source)
    assert sheet.width > 3 * 64 + IMAGE.width


def test_a_judge_that_decides_nothing_is_said(tiny_fill):
    def silent(instruction, original, first, second):
        raise RuntimeError("no power")

    early, editor = EarlyFilter(seeds=3, steps=1, judge=silent), editor_of(tiny_fill)
    with pytest.warns(UserWarning, match="the judge decided nothing .the judge failed .no power.*first of 3"):
        editor.edit(IMAGE, instruction="make it red", early_filter=early)


def test_ties_are_no_failure_of_the_judge(tiny_fill, recwarn):
    def fair(instruction, original, first, second):
        return Verdict.higher(1.0, 1.0, "both fine")

    early = EarlyFilter(seeds=3, steps=1, judge=fair)
    found = editor_of(tiny_fill).edit(IMAGE, instruction="make it red", early_filter=early).filtered
    assert (found.seed, found.undecided, found.ties) == (0, 2, 2)
    assert not [one for one in recwarn if "judge" in str(one.message)]


def test_previews_share_batches_with_no_source(tiny_fill):
    editor = editor_of(tiny_fill)
    latents = editor.method.frame().encode(tiny_fill, IMAGE.resize((64, 64)))
    row = row_bytes(tiny_fill.transformer, layout_of(latents, tiny_fill.condition("make it red").embeds.shape[1]))
    early = EarlyFilter(seeds=4, steps=2, judge=brighter)
    tight = editor_of(dataclasses.replace(tiny_fill, memory_budget=4 * row))
    assert tight.edit(IMAGE, instruction="make it red", early_filter=early).forward_calls == 5 + 2


def test_a_small_memory_budget_previews_in_more_batches(tiny_fill):
    early = EarlyFilter(seeds=3, steps=2, judge=brighter)
    roomy = editor_of(tiny_fill).edit(IMAGE, instruction="make it red", early_filter=early)
    tight = dataclasses.replace(tiny_fill, memory_budget=1)
    crowded = editor_of(tight).edit(IMAGE, instruction="make it red", early_filter=early)
    assert crowded.nfe == roomy.nfe
    assert crowded.forward_calls == 5 + 3 * 2
    assert np.array_equal(np.asarray(crowded.image), np.asarray(roomy.image))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seeds": 0}, "from 1 on"),
        ({"seeds": "6"}, "seeds must be a whole number"),
        ({"seeds": 2.5}, "seeds must be a whole number"),
        ({"steps": 0}, "from 1 on"),
        ({"both_orders": "no"}, "both_orders must be of type bool"),
        ({"resume": 1}, "resume must be of type bool"),
        ({"judge": "labb"}, "did you mean|known"),
        ({"judge": 3}, "a judge is"),
        ({"steps": 6, "resume": True, "judge": "lab"}, "6 steps cannot be resumed by an edit of 5"),
    ],
)
def test_wrong_settings_say_so(tiny_fill, settings, words):
    with pytest.raises(InputError, match=words):
        editor_of(tiny_fill).edit(IMAGE, instruction="make it red", early_filter=EarlyFilter(**settings))


def test_captions_need_an_instruction_for_the_judge(tiny_fill):
    asked = []

    def listening(instruction, original, first, second):
        asked.append(instruction)
        return Verdict(1, "")

    editor = editor_of(tiny_fill, prompt="descriptive")
    early, captions = EarlyFilter(seeds=2, steps=1, judge=listening), {"source_prompt": "a", "target_prompt": "b"}
    with pytest.raises(InputError, match="give one beside the captions"):
        editor.edit(IMAGE, **captions, early_filter=early)
    result = editor.edit(IMAGE, **captions, instruction="make it red", early_filter=early)
    assert asked == ["make it red"]
    assert np.array_equal(np.asarray(result.image), np.asarray(editor.edit(IMAGE, **captions).image))


def test_a_judge_is_made_once_for_its_name():
    assert judge("vlm:owner/name") is judge("vlm:owner/name")
    assert judge("vlm:owner/name") is not judge("vlm:owner/other")


def test_wrong_company_says_so(tiny, tiny_fill):
    early = EarlyFilter(judge=brighter)
    with pytest.raises(InputError, match="works with icedit and icedit-t2i, not with SDEdit"):
        Editor(method="sdedit", model=tiny).edit(IMAGE, source_prompt="a", target_prompt="b", early_filter=early)
    with pytest.raises(InputError, match="on one instruction"):
        editor_of(tiny_fill).edit(IMAGE, instruction=["a", "b"], early_filter=early)
    plain = EarlyFilter(seeds=1, steps=1, judge=brighter)
    result = editor_of(tiny_fill).edit(IMAGE, instruction="make it red", early_filter=plain)
    with pytest.raises(InputError, match="keep_record=True"):
        result.filtered.contact_sheet(IMAGE)
