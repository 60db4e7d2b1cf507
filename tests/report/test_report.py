"""Reports: their numbers, their escaping, what they refuse, and the page in a real browser."""

import csv
import json
import re
import shutil
from collections import defaultdict
from dataclasses import replace
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image
from report_parts import CONFIG, run
from scipy.stats import bootstrap

from flowedit_grag import report as reports
from flowedit_grag.cli import runs as command
from flowedit_grag.errors import InputError
from flowedit_grag.experiments.config import read
from flowedit_grag.experiments.published import published
from flowedit_grag.metrics import metrics
from flowedit_grag.report import report
from flowedit_grag.report.comparison import Column, comparisons
from flowedit_grag.report.differences import by_task
from flowedit_grag.report.figures import figures
from flowedit_grag.report.gallery import BUDGET, BYTES, contact_sheet, side, thumbnail
from flowedit_grag.report.printers import escaped_latex, escaped_markdown
from flowedit_grag.report.runs import read_runs
from flowedit_grag.report.scores import mean_of, parameters
from flowedit_grag.report.strength import curves
from flowedit_grag.report.strength_table import strength_table
from flowedit_grag.report.tables import decimals, fixed

GRAG, PLAIN = "FlowEdit + GRAG", "flowedit"
EVIL = '</script><script>window.evil = 1</script><img src=x onerror="window.evil = 1">'
METRICS = ("lab_success", "psnr_outside", "ssim_outside")
MORE = "  flowedit 1.2: {method: flowedit, steps: 4, n_max: 3, grag: 1.2}\npaper: grag-1\n"
FAILED, WITHOUT, UNFINISHED = (
    (PLAIN, "validation-color-000"),
    (PLAIN, "validation-add-001"),
    (GRAG, "validation-style-001"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with one sample that failed, one without a number, one unfinished; its numbers, and its report."""
    folder = tmp_path_factory.mktemp("report")
    numbers = run(
        folder / "run",
        more=MORE,
        fails={FAILED, ("flowedit 1.2", "validation-color-000")},
        without={WITHOUT},
        unfinished={UNFINISHED},
    )
    for path in (folder / "run" / "edits").glob("*/validation-shape-000.*.json"):
        record = json.loads(path.read_text())
        record["key_inputs"]["sample"]["instruction"] = EVIL
        path.write_text(json.dumps(record))
    report([folder / "run"], folder / "report")
    return folder, numbers


def lines(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# ---- numbers -------------------------------------------------------------------------------------------------


def test_means_and_their_intervals(made):
    folder, numbers = made
    found = {(one["task"], one["row"], one["metric"]): one for one in lines(folder / "report" / "scores.csv")}
    for row, by_metric in numbers.items():
        for metric, of in by_metric.items():
            tasks = {"all tasks": [*of.values()]}
            for id, value in of.items():
                tasks.setdefault(id.split("-")[1], []).append(value)
            for task, values in tasks.items():
                one = found[task, row, metric]
                assert int(one["n"]) == len(values)
                assert float(one["value"]) == pytest.approx(np.mean(values))
            assert len(tasks) == 9
    assert {json.loads(one["options"])["steps"] for key, one in found.items() if key[1] == "flowedit"} == {4}
    values = [*numbers[GRAG]["psnr_outside"].values()]
    asked = bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    one = found["all tasks", GRAG, "psnr_outside"]
    assert (float(one["low"]), float(one["high"])) == pytest.approx(tuple(asked), abs=0.05)


def test_means_are_those_of_the_runs_own_table(made):
    folder, _ = made
    found = {
        (one["row"], one["metric"]): one
        for one in lines(folder / "report" / "scores.csv")
        if one["task"] == "all tasks"
    }
    for line in json.loads((folder / "run" / "table.json").read_text())["lines"]:
        for metric, entry in zip(METRICS, line["entries"], strict=True):
            assert float(found[line["row"], metric]["value"]) == pytest.approx(entry["mean"], rel=1e-12)
            assert int(found[line["row"], metric]["n"]) == entry["n"]


def test_differences_are_of_the_samples_that_both_have(made):
    folder, numbers = made
    found = {(one["row"], one["minus_row"], one["metric"]): one for one in lines(folder / "report" / "differences.csv")}
    for first in numbers:
        for second in numbers.keys() - {first}:
            for metric in METRICS:
                ours, theirs = numbers[first][metric], numbers[second][metric]
                gaps = np.array([ours[id] - theirs[id] for id in ours if id in theirs])
                one = found[first, second, metric]
                assert int(one["n"]) == len(gaps)
                assert float(one["difference"]) == pytest.approx(gaps.mean(), abs=1e-12)
                assert float(one["low"]) <= gaps.mean() <= float(one["high"])
    assert len(numbers[GRAG]["ssim_outside"]) == 15
    assert int(found[GRAG, PLAIN, "ssim_outside"]["n"]) == 16 - len({FAILED, WITHOUT, UNFINISHED})


def test_every_sample_is_in_the_csv(made):
    folder, numbers = made
    found = {(one["row"], one["sample"]): one for one in lines(folder / "report" / "samples.csv")}
    assert len(found) == 4 * 16 - 1
    assert found[FAILED]["status"] == "failed"
    assert found[FAILED]["reason"] == "RuntimeError: <b>no luck</b> with validation-color-000"
    assert found[WITHOUT]["ssim_outside"] == ""
    for row, by_metric in numbers.items():
        for metric, of in by_metric.items():
            assert {id: float(found[row, id][metric]) for id in of} == of


def test_rows_are_compared_with_themselves_without_grag(made):
    folder, _ = made
    text = (folder / "report" / "tables.md").read_text()
    for pair in (f"{GRAG} − {PLAIN}", "flowedit 1.2 − flowedit", "flowedit − sdedit"):
        assert f"| {pair} |" in text
    assert "sdedit − " not in text


def test_curves_are_of_rows_that_differ_only_in_delta(made):
    folder, _ = made
    files = sorted(path.name for path in (folder / "report" / "figures").iterdir())
    names = [f"s1-strength-{index}-{metric}" for index, metric in enumerate(METRICS)]
    drawn = [f"{name}.{ending}" for name in ("s1-frontier", *names) for ending in ("svg", "pdf")]
    assert files == sorted([*drawn, "s1-gallery.png"])
    (comparison,) = comparisons(read_runs([folder / "run"]))
    (curve,) = curves(comparison.lines)
    assert (curve.name, curve.turned) == ("flowedit", "delta")
    assert [(delta, line.row) for delta, line in curve.points] == [(1.0, PLAIN), (1.05, GRAG), (1.2, "flowedit 1.2")]


def test_every_number_that_is_turned_has_a_curve(tmp_path):
    base = "{method: flowedit, steps: 4, n_max: 2, true_cfg: %s, %s}"
    turned = {
        "lambda": ["grag: {lam: 0.9, delta: 1}", "grag: {lam: 1.1, delta: 1}"],
        "lambda and delta": ["grag: {lam: 0.9, delta: 0.9}", "grag: {lam: 1.2, delta: 1.2}"],
        "attention weight gamma": [f"dial: {{name: attention_weight, gamma: {gamma}}}" for gamma in (0.8, 1.2)],
        "attention gate threshold": ["dial: {name: attention_gate, threshold: 0.8}"],  # two values, as cfg: no curve
    }
    rows = {"rest": base % (2, "grag: null"), "cfg": base % (4, "grag: null")}
    rows |= {f"{name} {index}": base % (2, own) for name, all in turned.items() for index, own in enumerate(all)}
    more = "".join(f"  {name}: {row}\n" for name, row in rows.items())
    run(tmp_path / "run", per_task=1, more=more)
    (comparison,) = comparisons(read_runs([tmp_path / "run"]))
    found = {curve.turned: curve for curve in curves(comparison.lines) if curve.name == "rest"}
    assert {name: [value for value, _ in curve.points] for name, curve in found.items()} == {
        "lambda": [0.9, 1, 1.1], "lambda and delta": [0.9, 1, 1.2], "attention weight gamma": [0.8, 1, 1.2],
    }  # fmt: skip
    assert sorted(row[1].text for row in strength_table(comparison, "x").rows) == sorted(found)
    _, *drawn = figures(comparison, "x")
    assert [figure.name for figure in drawn] == [f"x-strength-{index}-{metric}" for index, metric in enumerate(METRICS)]
    axes = set(re.findall(r"<!-- ([a-z][a-z_ ]+) -->", drawn[1].files["svg"].decode()))
    assert axes == {*found, "rest"}


def test_rates_have_wilsons_interval_unless_sessions_depend():
    line = SimpleNamespace(numbers=lambda column, ids: dict.fromkeys(ids, 1.0))
    alone = SimpleNamespace(session={str(number): str(number) for number in range(30)})
    together = SimpleNamespace(session={str(number): str(number // 2) for number in range(30)})
    column, other = Column("x", True, "", is_rate=True), Column("x", True, "")
    found = mean_of(alone, line, column, [*alone.session])
    assert (found.value, found.low) == (1.0, pytest.approx(1 - 1.96**2 / (30 + 1.96**2), abs=1e-4))
    assert mean_of(alone, line, other, [*alone.session]).low == 1.0
    assert mean_of(together, line, column, [*together.session]).groups == 15


def lab_run(folder, right):
    """A run of two rows that kept all; ``right`` says of row and sample whether it succeeded."""
    run(folder, config=CONFIG.replace("lab_success,", "lab_success, lab_kept,"), per_task=12)
    for path in folder.glob("metrics/*/*.json"):
        content = json.loads(path.read_text())
        content["values"]["lab_success"]["value"] = float(right(path.parent.name, path.name.split(".")[0]))
        content["values"]["lab_kept"]["value"] = 1.0
        path.write_text(json.dumps(content))
    return comparisons(read_runs([folder]))[0]


def test_most_often_right_is_said_where_the_intervals_say_so(tmp_path):
    def right(row, sample):
        number = int(sample[-3:])
        if "-size-" in sample:  # flowedit is ahead by one of twelve
            return number < (11 if row == PLAIN else 10)
        return row == PLAIN or number < 2  # ahead by ten

    comparison = lab_run(tmp_path / "run", right)
    table = by_task(comparison, "x")
    bold = {
        (row[0].text, head.text)
        for row in table.rows
        for head, cell in zip(table.headers, row, strict=True) if cell.mark
    }  # fmt: skip
    tasks = [head.text for head in table.headers[1:] if head.text != "size, %"]
    assert len(tasks) == 8
    assert bold == {(PLAIN, task) for task in tasks}
    (row,) = [row for row in table.rows if row[0].text == PLAIN]
    assert row[[head.text for head in table.headers].index("size, %")].text == "92"


def test_right_is_success_and_kept(tmp_path):
    run(tmp_path / "run", config=CONFIG.replace("lab_success,", "lab_success, lab_kept,"), per_task=1)
    paths = sorted((tmp_path / "run" / "metrics" / PLAIN).glob("*.json"))
    for path, (success, kept) in zip(paths, [(1, 1), (1, 0), (0, 1), (0, 0)], strict=False):
        content = json.loads(path.read_text())
        content["values"]["lab_success"]["value"], content["values"]["lab_kept"]["value"] = success, kept
        path.write_text(json.dumps(content))
    content = json.loads(paths[4].read_text())
    content["values"]["lab_kept"] = {
        **{key: value for key, value in content["values"]["lab_kept"].items() if key != "value"},
        "missing": "unreadable",
    }
    paths[4].write_text(json.dumps(content))
    outcomes = read_runs([tmp_path / "run"])[0].outcomes[PLAIN]
    ids = [path.name.split(".")[0] for path in paths]
    assert [outcomes[id].numbers["right"] for id in ids[:4]] == [1, 0, 0, 0]
    assert "right" not in outcomes[ids[4]].numbers
    assert outcomes[ids[4]].missing["right"] == "unreadable"


def test_the_frontier_has_curves_and_points(made):
    (comparison,) = comparisons(read_runs([made[0] / "run"]))
    frontier = next(figures(comparison, "x"))
    assert frontier.name == "x-frontier"
    drawn = re.findall(r"<!-- (.+?) -->", frontier.files["svg"].decode())
    assert drawn.count("flowedit, delta 1 to 1.2") == drawn.count("sdedit") == 1  # the legend
    assert drawn.count("lab_success ↑") == 2  # a panel each for PSNR and SSIM
    assert {"psnr_outside ↑", "ssim_outside ↑"} <= set(drawn)
    alone = replace(comparison, columns=tuple(c for c in comparison.columns if c.name != "lab_success"))
    assert next(figures(alone, "x")).name.startswith("x-strength")


def test_the_contact_sheet_shows_each_tasks_first_sample(made):
    (comparison,) = comparisons(read_runs([made[0] / "run"]))
    sheet = Image.open(BytesIO(contact_sheet(comparison)))
    step = 128 + 6
    tasks = [task for task in comparison.tasks if task != "all tasks"]
    left, top = sheet.width - step * 6, sheet.height - step * len(tasks)  # source, four rows, ground truth

    def at(row, column):
        x, y = left + step * column, top + step * row
        return np.asarray(sheet.crop((x, y, x + 128, y + 128)))

    sample = comparison.samples["validation-shape-000"]
    row = tasks.index("shape")
    assert np.array_equal(at(row, 0), np.asarray(sample.image()))
    assert np.array_equal(at(row, 5), np.asarray(sample.truth()))
    edit = next(line for line in comparison.lines if line.row == "sdedit").outcomes[sample.id].picture
    assert np.array_equal(at(row, 1), np.asarray(Image.open(edit)))
    assert (at(tasks.index("color"), 2) == 255).all()  # which failed
    assert contact_sheet(replace(comparison, samples={})) is None


def test_parameters_of_adapters(tmp_path):
    more = "".join(
        f"  {name}: {{method: icedit, model: lab-fill, steps: 1{own}}}\n"
        for name, own in (("none", ""), ("lora", ", adapter: lab-lora"), ("moe", ", adapter: lab-moe"))
    )
    run(tmp_path / "run", per_task=1, more=more)
    (comparison,) = comparisons(read_runs([tmp_path / "run"]))
    lines = {line.row: line for line in comparison.lines}
    assert [parameters(lines[name]) for name in ("none", "lora", "moe")] == [0, 674_688, 654_528]
    elsewhere = {"adapter": {"name": str(tmp_path / "gone.safetensors"), "files": "x"}}
    trained_on = {"adapter": {"name": "lab-moe", "files": "x"}}
    of_the_hub = {"adapter": {"name": "nobody/nothing", "files": "x"}}
    for way in (elsewhere, trained_on, of_the_hub):
        assert parameters(SimpleNamespace(made_with=way)) is None


def test_times_are_medians(made, tmp_path):
    folder, _ = made
    run = shutil.copytree(folder / "run", tmp_path / "run")
    records = sorted((run / "edits" / "sdedit").glob("*.json"))
    for seconds, path in enumerate(records, start=1):
        record = json.loads(path.read_text()) | {"seconds": 1000.0 if seconds == len(records) else float(seconds)}
        path.write_text(json.dumps(record))  # the last as if its process had been held up
    report([run], tmp_path / "report")
    text = (tmp_path / "report" / "tables.md").read_text()
    assert text.count(" | NFE ↓ | median s ↓ |") == 2  # means, and differences
    rows = (one for one in lines(tmp_path / "report" / "scores.csv") if one["task"] == "all tasks")
    (one,) = [one for one in rows if (one["row"], one["metric"]) == ("sdedit", "s")]
    assert float(one["value"]) == 8.5
    assert float(one["low"]) < 8.5 < float(one["high"]) < 16
    rows = lines(tmp_path / "report" / "differences.csv")
    (one,) = [one for one in rows if (one["row"], one["minus_row"], one["metric"]) == ("sdedit", PLAIN, "s")]
    assert 6 < float(one["difference"]) < 9


# ---- tables --------------------------------------------------------------------------------------------------


def test_published_numbers_stand_beside_ours(made):
    folder, numbers = made
    text = (folder / "report" / "tables.md").read_text()
    (head,) = [
        line for line in text.splitlines() if line.startswith("| row | LPIPS ↓ paper | LPIPS ↓ ours | SSIM ↑ paper")
    ]
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {GRAG} | 0.3670 ")]
    cells = dict(zip(head.split(" | "), line.split(" | "), strict=True))
    assert cells["SSIM ↑ paper"] == "0.8312"
    assert cells["SSIM ↑ ours"].startswith(f"{np.mean([*numbers[GRAG]['ssim_outside'].values()]):.4f} [")
    assert cells["LPIPS ↓ ours"] == cells["Cons ↑ ours"] == "–"
    assert "| StableFlow+ + GRAG | 0.3595 | – | 0.8316 | – |" in text
    assert "| sdedit | – | – |" in text
    assert "SSIM, ours: ssim_outside, Gaussian window" in text
    assert "LPIPS, ours: not measured (lpips_outside or pie_published_lpips would be)" in text


@pytest.mark.parametrize("name", ["grag-1", "grag-2", "icedit-1", "icedit-2", "icedit-3a", "icedit-3b"])
def test_published_tables_are_whole(name):
    table = published(name)
    known = [name for column in table.columns for name in column.metrics if name != "nfe"]
    assert all(len(row) == len(table.columns) for row in table.rows.values())
    assert all(float(cell) > 0 for row in table.rows.values() for cell in row)
    for column in table.columns:
        for one in metrics([name for name in column.metrics if name != "nfe"]) if column.metrics else ():
            assert one.higher_is_better == column.higher_is_better
    assert len(known) == len(set(known))


def test_a_paper_that_is_not_there(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(CONFIG.format(out=tmp_path / "run", per_task=1, more="paper: grag-1\n"))
    assert read(path).paper == "grag-1"
    path.write_text(path.read_text().replace("grag-1", "gragg-1"))
    with pytest.raises(
        InputError, match=r"x.yaml, line 10: unknown table of a paper 'gragg-1'; did you mean 'grag-1'\?"
    ):
        read(path)


def test_tables_say_what_they_are_of(made):
    folder, _ = made
    for name in ("tables.md", "tables.tex", "index.html"):
        text = (folder / "report" / name).read_text()
        assert "Model: lab. Seed: 3." in text
        assert text.count("dB, peak 255; outside the mask, against the source") >= 2
    remarks = (folder / "report" / "tables.md").read_text()
    assert "- flowedit, ssim_outside: 1 missing (no window fits)." in remarks
    assert "- FlowEdit + GRAG: 1 not finished." in remarks
    assert "NFE and seconds of flowedit, FlowEdit + GRAG" in remarks
    assert r"- flowedit: 1 failed (RuntimeError: \<b>no luck\</b> with validation-color-000)." in remarks


def test_latex(made):
    folder, _ = made
    text = (folder / "report" / "tables.tex").read_text()
    assert r"lab\_success $\uparrow$" in text
    assert r"\multicolumn{2}{c}{LPIPS $\downarrow$}" in text
    assert not re.search(r"(?<!\\)[_#^~]", re.sub(r"\\(label|cmidrule)\S*", "", text))
    for tabular in re.findall(r"\\begin{tabular}{(\w+)}(.*?)\\end{tabular}", text, re.DOTALL):
        rows = [row for row in tabular[1].split("\n") if row.endswith(r"\\") and "multicolumn" not in row]
        assert len(rows) >= 2  # a head and a row
        assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(tabular[0])}
    assert "$-$" in text
    assert not re.search(r"\[-\d|(?<=& )-\d", text)
    assert escaped_latex("50% of {A_1} & \\x $") == r"50\% of \{A\_1\} \& \textbackslash{}x \$"


def test_markdown_escapes():
    assert escaped_markdown("a|b\n<i> *x* `y` [z]") == r"a\|b \<i> \*x\* \`y\` \[z\]"


@pytest.mark.parametrize(
    ("values", "places"), [([27.3, 4.0], 2), ([0.8, 0.0312], 4), ([24.0, 8.0], 0), ([1.0, 0.0], 3)]
)
def test_decimals(values, places):
    assert decimals(values) == places
    assert fixed(-0.00001, 3) == "0.000"
    assert decimals([*values, float("inf")]) == places


# ---- several runs --------------------------------------------------------------------------------------------


def test_runs_on_one_benchmark_share_tables(made, tmp_path):
    folder, numbers = made
    other = CONFIG.replace("ssim_outside]", "{{name: lpips, net: vgg}}]").replace("seed: 3", "seed: 4")
    theirs = run(tmp_path / "other", config=other, seed=5)
    run(tmp_path / "small", per_task=1)
    report([folder / "run", tmp_path / "other", tmp_path / "small"], tmp_path / "report")
    found = defaultdict(dict)
    for one in lines(tmp_path / "report" / "differences.csv"):
        found[one["benchmark"]][one["run"], one["row"], one["minus_run"], one["minus_row"], one["metric"]] = one
    assert set(found) == {"lab (validation): run, other", "lab (validation): small"}
    ours, others = numbers["sdedit"]["psnr_outside"], theirs["sdedit"]["psnr_outside"]
    gap = found["lab (validation): run, other"]["run", "sdedit", "other", "sdedit", "psnr_outside"]
    assert float(gap["difference"]) == pytest.approx(np.mean([ours[id] - others[id] for id in ours]))
    assert found["lab (validation): run, other"]["run", "sdedit", "other", "sdedit", "ssim_outside"]["n"] == "0"


def test_runs_that_edited_other_pictures_are_not_paired(tmp_path):
    (pictures := tmp_path / "pictures").mkdir()
    (pictures / "samples.csv").write_text("image,source_prompt,target_prompt,truth\na.png,a cat,a dog,a.png\n")
    config = CONFIG.replace("metrics: [lab_success, psnr_outside, ssim_outside]", "metrics: [psnr]")
    config = re.sub("dataset: .*", f"dataset: {{{{name: folder, path: {pictures}}}}}", config)
    for name in ("one", "same", "other"):
        seed = 1 if name == "other" else 0
        noise = np.random.default_rng(seed).integers(0, 255, (32, 32, 3), np.uint8)
        Image.fromarray(noise).save(pictures / "a.png")
        run(tmp_path / name, config=config)
    report([tmp_path / name for name in ("one", "same", "other")], tmp_path / "report")
    compared = {(one["run"], one["minus_run"]) for one in lines(tmp_path / "report" / "differences.csv")}
    assert ("one", "same") in compared
    assert not [pair for pair in compared if "other" in pair and set(pair) != {"other"}]
    assert "Other runs edited other pictures" in (tmp_path / "report" / "tables.md").read_text()


def test_metrics_of_one_name_that_differ_are_two_columns(tmp_path):
    one, two = (CONFIG.replace("ssim_outside]", f"{{{{name: lpips, net: {net}}}}}]") for net in ("alex", "vgg"))
    run(tmp_path / "one", config=one, per_task=1)
    run(tmp_path / "two", config=two, per_task=1)
    report([tmp_path / "one", tmp_path / "two"], tmp_path / "report")
    text = (tmp_path / "report" / "tables.md").read_text()
    assert "| lpips ↓ | lpips (2) ↓ |" in text
    assert re.search(r"- lpips: .*alex", text)
    assert re.search(r"- lpips \(2\): .*vgg", text)


# ---- what is not as it should be -----------------------------------------------------------------------------


def copy(made, tmp_path):
    return shutil.copytree(made[0] / "run", tmp_path / "run")


def test_half_a_record_is_left_out_and_said(made, tmp_path):
    folder = copy(made, tmp_path)
    first, second, third = sorted((folder / "edits" / "sdedit").glob("*.json"))[:3]
    first.write_text(first.read_text()[:100])
    second.with_suffix(".png").write_bytes(b"half")
    (folder / "metrics" / "sdedit" / third.name).write_text("{")
    report([folder], tmp_path / "report")
    text = (tmp_path / "report" / "tables.md").read_text()
    assert f"sdedit: 2 damaged, such as edits/sdedit/{first.name}; the run makes them again." in text
    assert "sdedit, psnr_outside: 1 missing (not measured yet)" in text
    assert "| sdedit | 14 | 0 |" in text


def test_records_of_another_model_are_not_averaged_with_these(made, tmp_path):
    folder = copy(made, tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    for item in manifest["items"][:5]:  # as if the model had changed since
        item["key"] = item["key"][::-1]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    report([folder], tmp_path / "report")
    text = (tmp_path / "report" / "tables.md").read_text()
    rows = [item["row"] for item in manifest["items"][:5]]
    assert f"| sdedit | {16 - rows.count('sdedit')} | 0 |" in text
    assert f"sdedit: {rows.count('sdedit')} of an earlier model, option or sample, or beyond a limit, are left" in text


def test_edits_of_two_versions_are_said(made, tmp_path):
    folder = copy(made, tmp_path)
    for path, torch in zip(sorted((folder / "edits" / "sdedit").glob("*.json")), ("2.12.0", "2.13.0"), strict=False):
        record = json.loads(path.read_text())
        record["settings"] = {"versions": {"torch": torch}, "device": "cuda:1"}
        path.write_text(json.dumps(record))
    report([folder], tmp_path / "report")
    text = (tmp_path / "report" / "tables.md").read_text()
    assert "edits were not all made with the same torch: 1 with 2.12.0, 1 with 2.13.0." in text


def test_numbers_of_an_earlier_metric_or_truth_are_left_out(made, tmp_path):
    folder = copy(made, tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    changed = next(item for item in manifest["items"] if item["row"] == "sdedit")
    changed["truth"], manifest["metrics"]["ssim_outside"] = "another", "another"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    report([folder], tmp_path / "report")
    text = (tmp_path / "report" / "tables.md").read_text()
    assert "sdedit, psnr_outside: 1 missing (not measured yet)" in text
    assert "flowedit, psnr_outside:" not in text
    assert re.search(r"flowedit, ssim_outside: \d+ missing \(not measured yet\)", text)


def test_a_run_of_an_earlier_version(made, tmp_path):
    folder = copy(made, tmp_path)
    (folder / "manifest.json").rename(folder / "cells.json")
    refused([folder], tmp_path / "report", "run is of an earlier version; run its config once more")


def test_a_run_without_its_list_of_items(made, tmp_path):
    folder = copy(made, tmp_path)
    (folder / "manifest.json").write_text("{")
    refused([folder], tmp_path / "report", "has no manifest.json, a damaged one, or one of an earlier version; run its")


@pytest.mark.parametrize("damage", ["dataset: lab", "methods: [sdedit]"])
def test_a_config_that_hands_have_been_at(made, tmp_path, damage):
    folder = copy(made, tmp_path)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, **yaml.safe_load(damage)}))
    refused([folder], tmp_path / "report", "config.yaml is damaged")


def test_rows_that_the_config_has_not(made, tmp_path):
    folder = copy(made, tmp_path)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["methods"].pop("sdedit")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    refused([folder], tmp_path / "report", "has no manifest.json, a damaged one")


def of_turns(made, tmp_path):
    """The run, as if one sample of each task went on with the other."""
    folder = copy(made, tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    for item in manifest["items"]:
        if item["sample"].endswith("-001"):
            item["previous"] = item["sample"].replace("-001", "-000")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_last_turns_have_numbers_of_their_own(made, tmp_path):
    folder = of_turns(made, tmp_path)
    (comparison,) = comparisons(read_runs([folder]))
    assert comparison.tasks["last turns"] == tuple(id for id in comparison.ids if id.endswith("-001"))
    report([folder], tmp_path / "report")
    text = (tmp_path / "report" / "tables.md").read_text()
    assert "Ours: over the last turn of each session." in text
    assert "Turns of one session are resampled together." in text
    assert {comparison.session[id] for id in comparison.ids} == set(comparison.ids) - set(comparison.last)


def test_a_benchmark_that_is_gone_leaves_the_edits(made, tmp_path):
    folder = copy(made, tmp_path)
    config = folder / "config.yaml"
    config.write_text(
        re.sub(r"dataset:\n(  .*\n)+", f"dataset:\n  name: pie\n  path: {tmp_path}/none\n", config.read_text())
    )
    page = report([folder], tmp_path / "report").read_text()
    samples = json.loads(re.search(r'class="samples">(.*?)</script>', page, re.DOTALL)[1])
    assert len(samples) == 16
    assert [picture["caption"] for picture in samples[0]["pictures"]] == ["sdedit", PLAIN, GRAG, "flowedit 1.2"]
    assert "Sources, masks and truths are not shown" in page


def refused(runs, out, said):
    before = sorted(out.parent.iterdir())
    with pytest.raises(InputError, match=said) as caught:
        report(runs, out)
    assert "\n" not in str(caught.value)
    assert sorted(out.parent.iterdir()) == before


def test_folders_that_are_no_runs(made, tmp_path):
    out, empty = tmp_path / "report", tmp_path / "empty"
    empty.mkdir()
    refused([tmp_path / "nowhere"], out, "nowhere is not a run: there is no config.yaml in it")
    refused([empty], out, "empty is not a run")
    (empty / "config.yaml").write_text("model: lab-fill\nsteps: 20\n")
    refused([empty], out, "empty is not a run of experiments")
    (empty / "config.yaml").write_text("model: [\n")
    refused([empty], out, "config.yaml cannot be read")
    refused([made[0] / "run", made[0] / "run" / "..", made[0] / "run"], out, "a run is named twice")


def test_runs_with_nothing_to_show(made, tmp_path):
    folder = copy(made, tmp_path)
    shutil.rmtree(folder / "edits")
    refused([folder], tmp_path / "report", "run has no finished samples yet; let the run make some first")


def test_places_that_cannot_be_written(made, tmp_path, monkeypatch):
    (file := tmp_path / "file").write_text("")
    refused([made[0] / "run"], file, "file is a file; name a folder with -o")
    with pytest.raises(InputError, match=r"cannot write in .*file/report"):
        report([made[0] / "run"], file / "report")

    def full(tables):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reports, "markdown", full)
    refused([made[0] / "run"], tmp_path / "report", "No space left on device")


def test_a_second_report_replaces_the_first(made, tmp_path):
    report([made[0] / "run"], tmp_path / "report")
    (old := tmp_path / "report" / "figures" / "s9-strength.svg").write_text(
        "of a comparison that is not there any more"
    )
    others = [tmp_path / "report" / "notes.txt", tmp_path / "report" / "figures" / "teaser.pdf"]
    for own in others:
        own.write_text("somebody's")
    report([made[0] / "run"], tmp_path / "report")
    assert not old.exists()
    for own in others:
        assert own.read_text() == "somebody's"
        own.unlink()
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (made[0] / "report", tmp_path / "report")
    )
    assert len(first) == 15
    assert first == second


def test_the_command(made, tmp_path, capsys):
    command.report([made[0] / "run"], tmp_path / "deep" / "report")
    assert capsys.readouterr().out.strip() == str(tmp_path / "deep" / "report" / "index.html")


# ---- the page ------------------------------------------------------------------------------------------------


def test_pictures_share_a_budget():
    class Some:
        def __init__(self, samples, rows):
            self.ids, self.lines = range(samples), range(rows)

    assert side([Some(8, 4)]) == 256
    assert side([Some(700, 10)]) == 128
    assert side([Some(100_000, 10)]) == 64
    for samples in (10, 100, 300, 700, 1500):
        assert samples * 13 * side([Some(samples, 10)]) ** 2 * BYTES <= BUDGET
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 800, 3), np.uint8))
    assert len(thumbnail(noise, 128)) < 128 * 64 * 2


def test_the_page_asks_for_nothing(made):
    page = (made[0] / "report" / "index.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "default-src 'none'" in page
    assert EVIL not in page
    assert "<b>no luck" not in page


def test_cards_list_metrics_as_the_table_does(tmp_path):
    run(tmp_path / "run", per_task=1, config=CONFIG.replace(", ".join(METRICS), ", ".join(METRICS[::-1])))
    page = report([tmp_path / "run"], tmp_path / "report").read_text()
    samples = json.loads(re.search(r'class="samples">(.*?)</script>', page, re.DOTALL)[1])
    assert [*samples[0]["pictures"][-1]["numbers"]] == [*METRICS[::-1]]


def find_browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture
def page(made):
    driver = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    if (browser := find_browser()) is None:
        pytest.skip("no browser: apt-get install chromium")
    with driver.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        opened = chromium.new_page(viewport={"width": 1400, "height": 900})
        opened.said, opened.asked = [], []
        opened.on("console", lambda message: opened.said.append(message.text))
        opened.on("pageerror", lambda error: opened.said.append(str(error)))
        opened.on("request", lambda request: opened.asked.append(request.url))
        opened.goto((made[0] / "report" / "index.html").as_uri())
        yield opened
        chromium.close()


def test_in_a_browser(page, made):
    folder, numbers = made

    def column(index, table="#s1-scores"):
        return page.locator(f"{table} tbody:not([hidden]) tr > :nth-child({index})").all_inner_texts()

    assert [url for url in page.asked if not url.startswith("data:")] == [(folder / "report" / "index.html").as_uri()]
    assert page.evaluate("window.evil") is None
    assert page.title() == "run"
    # in a narrow window tables scroll, and not the page
    page.set_viewport_size({"width": 420, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#s1-scores .wide").evaluate("box => box.scrollWidth > box.clientWidth")
    page.set_viewport_size({"width": 1400, "height": 900})
    # sort by a number, both ways, and by name
    head = page.locator("#s1-scores thead button", has_text="psnr_outside")
    means = {row: np.mean([*of["psnr_outside"].values()]) for row, of in numbers.items()}
    head.click()
    assert column(1) == sorted(means, key=means.get, reverse=True)
    head.click()
    assert column(1) == sorted(means, key=means.get)
    page.locator("#s1-scores thead button", has_text="row").click()
    assert column(1) == sorted(means, key=str.casefold)
    # what is no number comes last
    head = page.locator("#s1-grag-1 thead tr:last-child button").nth(4)
    for _ in range(2):
        head.click()
        assert [text == "–" for text in column(5, "#s1-grag-1")] == [False] * 4 + [True] * 10
    # filter by task: table, failures and gallery
    assert page.locator(".card").count() == 12
    assert page.locator(".failures tbody tr:visible").count() == 2
    page.locator("select.task").select_option("shape")
    assert column(2) == ["2"] * 4
    assert page.locator(".card h4").all_inner_texts() == ["validation-shape-000shape", "validation-shape-001shape"]
    assert page.locator(".failures tbody tr:visible").count() == 0
    assert EVIL in page.locator(".card").first.inner_text()
    images = page.locator(".card img")
    assert images.count() == 2 * 7
    assert images.evaluate_all("all => all.every(one => one.complete && one.naturalWidth === 128)")
    page.locator("select.task").select_option("all tasks")
    assert "failed: RuntimeError" in page.locator(".card", has_text="validation-color-000").inner_text()
    page.locator(".gallery .on").click()
    assert page.locator(".gallery output").inner_text() == "13–16 of 16"
    # another reference
    page.locator("#s1-differences select").select_option(GRAG)
    assert column(1, "#s1-differences") == [f"{row} − {GRAG}" for row in ("sdedit", PLAIN, "flowedit 1.2")]
    # a picture, larger
    page.locator(".card img").first.click()
    assert page.locator("dialog img").is_visible()
    assert page.said == []


def test_last_turns_in_a_browser(page, made, tmp_path):
    page.goto(report([of_turns(made, tmp_path)], tmp_path / "report").as_uri())
    page.locator("select.task").select_option("last turns")
    assert page.locator(".gallery output").inner_text() == "1–8 of 8"
    assert all("-001" in title for title in page.locator(".card h4").all_inner_texts())
    assert page.locator(".failures tbody tr:visible").count() == 0
    page.locator("select.task").select_option("color")
    assert page.locator(".failures tbody tr:visible").count() == 2
