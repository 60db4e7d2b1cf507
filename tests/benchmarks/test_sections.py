"""Sections measure, keep what they measured, and measure again whatever was determined otherwise."""

import pytest

from benchmarks import __main__ as command
from benchmarks import adapters, core, entropy, judges, overhead, reconstruction
from benchmarks.base import Bench
from benchmarks.captions import score
from flowedit_grag import method
from flowedit_grag.errors import InputError
from flowedit_grag.lab.oracle import read
from flowedit_grag.lab.render import render
from flowedit_grag.lab.splits import scenes
from flowedit_grag.lab.tasks import TASKS
from flowedit_grag.report.measurements import Records


@pytest.fixture
def measure(tmp_path, lab, monkeypatch):
    """``python -m benchmarks`` in one folder: a section's records, and how many forward calls were made."""

    def run(section, *words):
        monkeypatch.setattr(command, "load", lambda model: lab)
        monkeypatch.setattr("sys.argv", ["benchmarks", section, "-o", str(tmp_path), *words])
        before = lab.cost.calls
        command.main()
        return Records.read(tmp_path / f"{section}.jsonl"), lab.cost.calls - before

    return run


def test_other_options_give_other_numbers_and_the_first_ones_are_kept(measure, monkeypatch):
    monkeypatch.setattr(reconstruction, "SCENES", 1)

    def measured(steps):
        monkeypatch.setattr(reconstruction, "STEPS", steps)
        records, calls = measure("reconstruction")
        last = records[-len(reconstruction.SOLVERS) :]
        assert {record["of"]["options"]["steps"] for record in last} == {steps}
        return {record["solver"]: (record["psnr"], record["nfe"]) for record in last}, calls

    few, calls = measured(2)
    assert calls > 0
    assert few["euler"][1] == 4
    more, _ = measured(3)
    assert more["euler"][1] == 6
    assert all(few[solver][0] != more[solver][0] for solver in reconstruction.SOLVERS)
    assert measured(2) == (few, 0)


def test_records_of_other_weights_splits_or_code_are_not_taken_for_these(tmp_path, lab):
    (code := tmp_path / "section.py").write_text("STEPS = 2\n")
    (adapter := tmp_path / "adapter").write_bytes(b"weights")
    made_with = ("lab", str(adapter))

    def found(bench, made_with=made_with, **options):
        return bench.records(str(code), made_with=made_with, **options).find(id=0)

    bench = Bench(lab, tmp_path)
    bench.records(str(code), made_with=made_with).add({"id": 0}, value=1)
    assert found(bench)["value"] == 1
    assert found(Bench(lab, tmp_path, share=0.5))["value"] == 1  # how much is measured does not change what is
    assert found(Bench(lab, tmp_path, "test")) is None
    assert found(bench, made_with=()) is None
    assert found(bench, steps=2) is None
    adapter.write_bytes(b"others")
    assert found(bench) is None
    adapter.write_bytes(b"weights")
    code.write_text("STEPS = 3\n")
    assert found(bench) is None


def test_a_killed_section_goes_on_where_it_was(measure, monkeypatch, tmp_path):
    monkeypatch.setattr(reconstruction, "SCENES", 1)
    monkeypatch.setattr(reconstruction, "STEPS", 1)
    whole, _ = measure("reconstruction")
    path = tmp_path / "reconstruction.jsonl"
    text = path.read_text()
    path.write_text(text[: text.rindex('{"key"') + 20])  # killed while writing the last solver's record
    resumed, calls = measure("reconstruction")
    assert resumed == whole
    assert calls == whole[-1]["nfe"]


QUICK = {"flowedit": {"steps": 2, "n_max": 1}, "stableflow+": {"steps": 1, "vital_layers": (0,)}}


def timed(run):
    """A second, whatever is run."""
    run()
    return 1.0


@pytest.mark.parametrize(
    ("section", "count"),
    [("captions", 3 * 3), ("reconstruction", 5), ("entropy", 8 * 12 * 2), ("core", 4 + 2 + 3), ("judges", 30)],
)
def test_sections_make_tables_and_records(measure, monkeypatch, tmp_path, section, count):
    for place, name, few in [
        (reconstruction, "STEPS", 1), (entropy, "STEPS", 1), (entropy, "DELTAS", (1.0, 1.2)),
        (judges, "STEPS", 1), (judges, "SEEDS", 2),
        (core, "STRENGTHS", core.STRENGTHS[:2]), (core, "REPEATS", 1), (overhead, "seconds", timed),
        (core, "overhead", lambda flow, run: run() or 0.0),
        (core, "resolve_method", lambda name, *_: method(name, **QUICK[name])),
    ]:  # fmt: skip
        monkeypatch.setattr(place, name, few)
    monkeypatch.setattr(core, "CLEAN_RENDERS", 100)
    found, _ = measure(section, "--share", "0.01", "--golden", str(tmp_path / "none"))
    assert len(found) == count
    assert len({record["key"] for record in found}) == count
    assert {record["of"]["section"] for record in found} == {section}
    text = (tmp_path / f"{section}.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 3
    assert len({row.count("|") for row in rows}) == 1
    assert "nan" not in text
    assert (tmp_path / "entropy.png").exists() == (section == "entropy")


def test_what_adapters_cost_and_where_tokens_go(measure, monkeypatch, tmp_path):
    for name, few in [("STEPS", 1), ("REPEATS", 2), ("LAYERS", {"a small layer": ((2, 2, 8, 8), 9)})]:
        monkeypatch.setattr(adapters, name, few)
    found, _ = measure("adapters", "--share", "0.01")
    assert [record["parameters"] for record in found if "adapter" in record] == [674_688, 654_528]
    assert [record["sparse_ratio"] > 0 for record in found if record.get("layer")] == [True]
    usage = [record for record in found if "experts" in record]
    assert [record["task"] for record in usage] == list(TASKS)
    counts = [sum(of_layer) for record in usage for of_layer in record["experts"].values()]
    assert min(counts) > 0
    assert (tmp_path / "experts.png").stat().st_size > 1000
    monkeypatch.setattr(adapters, "load", None)  # nothing is loaded for what is known
    again, _ = measure("adapters", "--share", "0.01")
    assert again == found


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["colour"], "unknown section 'colour'"),
        (["core", "--share", "0"], "--share must be above 0"),
        (["core", "--model", "nothing"], "unknown model 'nothing'"),
        (["core", "-o", __file__], "is a file; name a folder"),
    ],
)
def test_the_command_says_what_is_wrong(monkeypatch, capsys, words, reason):
    monkeypatch.setattr("sys.argv", ["benchmarks", *words])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_every_section_can_be_found():
    assert all(callable(command.SECTIONS[name]) for name in command.SECTIONS)
    with pytest.raises(InputError, match="unknown section"):
        command.SECTIONS["edits"]


def test_the_oracle_finds_all_that_a_clean_picture_shows():
    for scene in scenes("validation", 9):
        right = score(scene, read(render(scene)))
        assert right["background"] == right["count"] == 1
        assert all(right[name] == len(scene.items) for name in ("shape", "color", "size", "position", "fill"))
