"""Rows that differ only in their strength: one inversion, one batch, and the same pictures whatever happens between."""

import json
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from kill_thirty import begun, check, done, finished, pictures, start, write

from flowedit_grag.errors import InputError
from flowedit_grag.experiments.config import read
from flowedit_grag.experiments.job import Job
from flowedit_grag.experiments.plan import work_items
from flowedit_grag.guidance.grag import GRAG
from flowedit_grag.report.strength import Turn, curves

pytestmark = pytest.mark.usefixtures("one_model")
DELTAS = (0.8, 1.0, 1.2)
SAMPLES, STEPS = 8, 2


def sweep(out, **options):
    """Three rows that differ in delta."""
    row = {"method": "runner_parts:TracedFlow", "log": f"{out}.log", **options}
    return {"metrics": ["psnr_outside"], "methods": {f"delta {delta}": {**row, "grag": delta} for delta in DELTAS}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, lab):
    """A sweep that nothing interrupts."""
    from flowedit_grag.experiments import editors

    out = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(editors, "load", lambda model, **loading: lab)
        done(out, **sweep(out))
    return out


def records(out):
    return [json.loads(path.read_text()) for path in sorted(out.glob("edits/*/*.json"))]


def planned(tmp_path, **changes):
    out = tmp_path / "run"
    return work_items(read(write(out, **{**sweep(out), **changes})))


def test_one_inversion_a_sweep_and_its_nfe(whole):
    group = 2 * STEPS + 2 * STEPS * (1 + len(DELTAS))  # midpoint: the inversion, then source and edits side by side
    assert begun(whole).total() == SAMPLES
    found = records(whole)
    assert sum(record["nfe"] for record in found) == pytest.approx(SAMPLES * group)
    for record in found:
        assert record["group"]["nfe"] == group
        assert record["group"]["rows"] == [f"delta {delta}" for delta in DELTAS]
        assert record["nfe"] == pytest.approx(group / len(DELTAS))
        assert record["settings"]["grag"] == record["settings"]["options"].get("grag", record["settings"]["grag"])
        assert f"delta {record['settings']['grag']['delta']}" == record["row"]
    text = (whole / "table.md").read_text()
    rows = ", ".join(f"delta {delta}" for delta in DELTAS)
    assert f"- {rows}: computed together, sharing inversion and source; NFE is a row's share of {group} an edit" in text


def test_a_member_is_close_to_its_row_alone_and_strengths_differ(whole, tmp_path, lab):
    import numpy as np
    from PIL import Image

    done(out := tmp_path / "run", **sweep(out), batch_rows=1, limit=1)
    made = {path.parent.name: np.asarray(Image.open(path), int) for path in whole.glob("edits/*/*color-000.*.png")}
    alone = {path.parent.name: np.asarray(Image.open(path), int) for path in out.glob("edits/*/*color-000.*.png")}
    assert made.keys() == alone.keys() == {f"delta {delta}" for delta in DELTAS}
    assert max(np.abs(made[row] - alone[row]).max() for row in made) <= 1
    assert sum(record["nfe"] for record in records(out)) == 3 * (2 * STEPS + 2 * STEPS * 2)
    assert (made["delta 0.8"] != made["delta 1.2"]).any()


def test_rows_that_differ_after_the_inversion_share_it(tmp_path, lab, monkeypatch):
    """Bit for bit what each makes alone, and each costs what it costs alone."""
    row = {"method": "runner_parts:TracedFlow", "log": f"{tmp_path}/log"}
    rows = {
        "vital": {**row, "vital_layers": [0]},
        "none": {**row, "vital_layers": []},
        "none 1.2": {**row, "vital_layers": [], "grag": 1.2},
        "guided": {**row, "true_cfg": 2.0},
        "steps": {**row, "steps": 3},
    }
    begin = {"metrics": ["psnr_outside"], "limit": 2}
    inversion, edit = 2 * STEPS, 2 * STEPS * 2
    nfe = {"vital": inversion + edit, "guided": inversion + edit * 3 / 2, "steps": (inversion + edit) * 3 / 2}
    nfe |= dict.fromkeys(("none", "none 1.2"), (inversion + edit * 3 / 2) / 2)
    evaluated, forward = [], type(lab).forward
    counted = lambda flow, x, *given: (evaluated.append(len(x)), forward(flow, x, *given))[1]  # noqa: E731
    monkeypatch.setattr(type(lab), "forward", counted)
    done(out := tmp_path / "run", **begin, methods=rows)
    assert {record["row"]: record["nfe"] for record in records(out)} == nfe
    assert sum(evaluated) == 2 * (sum(nfe.values()) - 2 * inversion)  # three batches, one inversion
    for name in ("guided", "steps"):
        done(alone := tmp_path / name, **begin, methods={name: rows[name]})
        for path in alone.glob("edits/*/*"):
            kept = out / path.relative_to(alone)
            assert kept.read_bytes() == path.read_bytes() if path.suffix == ".png" else kept.exists()


@pytest.mark.parametrize(
    ("name", "read", "other"),
    [
        (
            "stableflow+",
            {"steps": 3, "solver": "fireflow", "inversion_guidance": 2.0, "nudge": 1.3},
            {"guidance": 4.0, "vital_layers": (1,), "source_alignment": "published", "control": GRAG(1, 2)},
        ),
        (
            "direct-edit",
            {"steps": 3, "skip_steps": 1, "inversion_guidance": 2.0},
            {"guidance": 4.0, "inject_steps": 1, "value_layers": (1,), "control": None},
        ),
    ],
)
def test_methods_read_for_their_inversion_what_they_say(tiny, name, read, other):
    """Whatever else is changed, what ``prepare`` returns stays; and each of the options said changes it."""
    import torch

    from flowedit_grag.experiments.editors import inversion
    from flowedit_grag.methods import METHODS
    from flowedit_grag.methods.inputs import run_to_end

    kind, other = METHODS[name], {**other, "true_cfg": 2.0, "negative_prompt": "a dog"}
    method = kind(**{"steps": 2, **({"vital_layers": (0,)} if "vital_layers" in other else {})})
    names = {f.name for f in fields(method)}
    assert set(method.prepared_by) == set(read)
    assert names == read.keys() | other.keys()
    latents = torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    source = method.source(tiny, latents, tiny.condition("a cat"), None)

    def path(made):
        return torch.stack(run_to_end(made.prepare(source)))

    for name, value in other.items():
        assert torch.equal(path(replace(method, **{name: value})), path(method)), name
        assert inversion(replace(method, **{name: value})) == inversion(method)
    for name, value in read.items():
        changed = path(replace(method, **{name: value}))
        assert changed.shape != path(method).shape or not torch.equal(changed, path(method)), name
        assert inversion(replace(method, **{name: value})) != inversion(method)

    class Mine(kind):
        def prepare(self, source):
            return super().prepare(source)

    assert inversion(Mine()) is None, "a class that prepares in its own way says what it reads, or shares nothing"


def test_an_early_filter_costs_what_it_costs_alone(tmp_path, lab):
    rows = {name: {"method": "stableflow", "steps": 2, "guidance": name} for name in (2.0, 3.0)}
    rows = {f"stableflow {name}": row for name, row in rows.items()}
    rows["filtered"] = {"method": "icedit-t2i", "steps": 2, "early_filter": {"seeds": 2, "steps": 1}}
    begin = {"metrics": ["psnr_outside"], "limit": 1}
    done(out := tmp_path / "run", **begin, methods=rows)
    done(alone := tmp_path / "alone", **begin, methods={"filtered": rows["filtered"]})
    (cost,) = (record["nfe"] for record in records(alone))
    assert [record["nfe"] for record in records(out) if record["row"] == "filtered"] == [cost]


def test_who_shares_an_inversion_draws_no_noise_there(tiny):
    import torch

    from flowedit_grag.experiments.editors import Inversions, Preparation
    from flowedit_grag.methods.inputs import run_to_end
    from flowedit_grag.methods.stableflow_plus import StableFlowPlus

    class Noisy(StableFlowPlus):
        prepared_by = ("steps",)

        def prepare(self, source):
            next(source.noise)
            return (yield from super().prepare(source))

    source = Noisy().source(tiny, torch.zeros(1, 16, 4, 4), tiny.condition("a cat"), torch.Generator())
    with pytest.raises(InputError, match="Noisy draws noise in prepare"):
        run_to_end(Preparation(Inversions())(Noisy(vital_layers=(0,)), source))


def test_missing_members_are_made_again_in_the_same_group(whole, tmp_path):
    done(out := tmp_path / "run", **sweep(out))
    lost = [*sorted(out.glob("edits/delta 1.0/*"))[:4], *sorted(out.glob("edits/delta 1.2/*"))[:2]]
    for path in lost:
        path.unlink()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("edits/delta 0.8/*")}
    done(out, **sweep(out))
    assert pictures(out) == pictures(whole)
    assert (out / "table.json").read_bytes() == (whole / "table.json").read_bytes()
    assert begun(out).total() == SAMPLES + 2, "two samples had lost members"
    assert {path: path.stat().st_mtime_ns for path in out.glob("edits/delta 0.8/*")} == kept


def test_a_kill_between_members(whole, tmp_path):
    path = write(out := tmp_path / "run", **sweep(out))
    process = start(path)
    while process.is_alive() and not len(finished(out)) % len(DELTAS):
        process.join(0.001)
    process.kill()
    process.join()
    done(out, **sweep(out))
    check(out, whole, 1)


def test_workers_share_groups(whole, tmp_path):
    done(out := tmp_path / "run", **sweep(out), executor="local", workers=2)
    check(out, whole, 0)


def test_the_key_depends_on_the_group(tmp_path):
    every = {item.row.name: item.key for item in planned(tmp_path)}
    assert len(set(every.values())) == len(DELTAS)
    rows = sweep(tmp_path / "run")["methods"]
    fewer = {item.row.name: item.key for item in planned(tmp_path, methods=dict(list(rows.items())[:2]))}
    other = {item.row.name: item.key for item in planned(tmp_path, methods=dict(reversed(rows.items())))}
    alone = {item.row.name: item.key for item in planned(tmp_path, batch_rows=1)}
    renamed = [item.key for item in planned(tmp_path, methods={f"my {name}": row for name, row in rows.items()})]
    for row in ("delta 0.8", "delta 1.0"):
        assert len({keys[row] for keys in (every, fewer, other, alone)}) == 4
    assert {*renamed} == {item.key for item in planned(tmp_path)}


def test_what_is_grouped(tmp_path):
    log = {"log": "x", "method": "runner_parts:TracedFlow"}
    rows = {
        "rest": log,
        "grag": {**log, "grag": 1.1},
        "dial": {**log, "dial": {"name": "attention_weight", "gamma": 0.9}},
        "steps": {**log, "steps": 3},
        "icedit": {"method": "icedit-t2i", "early_filter": {"seeds": 2, "steps": 1}, "steps": 2},
        "icedit + GRAG": {"method": "icedit-t2i", "early_filter": {"seeds": 2, "steps": 1}, "steps": 2, "grag": 1.1},
        "sdedit": {"method": "sdedit"},
        "same": {"method": "sdedit"},
    }
    groups = {item.row.name: item.group for item in planned(tmp_path, methods=rows)}
    together = ("rest", "grag", "dial")
    assert groups == {name: together if name in together else (name,) for name in rows}
    pairs = {item.group for item in planned(tmp_path, batch_rows=2)}
    assert pairs == {("delta 0.8", "delta 1.0"), ("delta 1.2",)}
    session = {item.group for item in planned(tmp_path, dataset={"name": "runner_parts:Session"})}
    assert session == {(f"delta {delta}",) for delta in DELTAS}


def test_a_group_that_fails_fails_as_a_whole_and_is_retried(whole, tmp_path):
    out, poison = tmp_path / "run", tmp_path / "poison"
    changes = sweep(out, poison=str(poison))
    sample = read(write(out, **changes)).samples[2]
    poison.write_text(sample.target_prompt)
    failed = done(out, **changes)
    assert [dict(line.failures) for line in failed.lines] == [{sample.id: "RuntimeError: poisoned"}] * len(DELTAS)
    poison.unlink()
    assert [line.done for line in done(out, **changes, retry_failed=True).lines] == [SAMPLES] * len(DELTAS)
    assert pictures(out) == pictures(whole)


def test_a_group_that_kills_workers_fails_as_a_whole_and_the_others_do_not_wait(tmp_path):
    out, mine = tmp_path / "run", tmp_path / "mine"
    changes = sweep(out, mine=str(mine))
    mine.write_text("")
    sample = read(write(out, **changes)).samples[2]
    mine.write_text(sample.target_prompt)
    made = done(out, **changes, executor="local", workers=1)
    assert [(line.done, list(line.failures)) for line in made.lines] == [(SAMPLES - 1, [sample.id])] * len(DELTAS)


def test_a_group_that_does_not_fit_into_memory_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("flowedit_grag.backbone.image_flow.ImageFlow.rows_that_fit", lambda self, layout: 3)
    (line, *_) = done(out := tmp_path / "run", **sweep(out), limit=1).lines
    assert list(line.failures.values()) == [
        "InputError: of the 3 rows of a batch 2 fit into memory; set batch_rows to that"
    ]


@pytest.mark.parametrize("value", [0, "many", True, 1.5])
def test_batch_rows_is_a_number(tmp_path, value):
    with pytest.raises(InputError, match=r"run.yaml, line \d+: batch_rows must be a whole number from 1 on"):
        read(write(tmp_path / "run", batch_rows=value))


def test_the_sweep_of_our_configs_costs_what_its_header_says():
    config = read(ROOT / "configs" / "sweep_delta.yaml")
    job = Job(config, work_items(config), ROOT)
    assert {len(group) for group in job.groups} == {7}
    assert [row.grag for row in config.rows] == [GRAG(delta=delta) for delta in (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)]
    (steps,) = {row.options["steps"] for row in config.rows}
    nfe = len(job.groups) * (2 * steps + 2 * steps * (1 + 7))
    assert nfe == 17_280
    assert f"{nfe:,} NFE" in (ROOT / "configs" / "sweep_delta.yaml").read_text()


def test_every_control_side_by_side_costs_what_its_header_says():
    """And each is turned in equal steps, five values or more."""
    path = ROOT / "configs" / "lab" / "strength.yaml"
    job = Job(config := read(path), work_items(config), ROOT)
    samples, inversion = len({item.sample.id for item in job.items}), 2 * 20  # midpoint, once for all
    nfe = sum(map(_cost, job.groups)) + samples * inversion
    assert f"{nfe:,} NFE. {samples} edits in {len(config.rows)} rows" in path.read_text()
    made_with = {item.row.name: item.key_inputs for item in job.items}
    ways = {name: {key: made[key] for key in ("model", "method", "options")} for name, made in made_with.items()}
    lines = [SimpleNamespace(label=name, made_with=way, run=SimpleNamespace(config={})) for name, way in ways.items()]
    found = curves(lines)
    assert {(curve.name, curve.turned) for curve in found} >= {
        ("stableflow+", "delta"), ("stableflow+", "lambda"), ("stableflow+", "lambda and delta"),
        ("stableflow+", "attention weight gamma"), ("stableflow+", "attention gate threshold"),
        ("stableflow+, cfg", "true_cfg"), ("flowedit", "delta"), ("flowedit", "target_guidance"), ("flowedit", "n_max"),
        ("sdedit", "start"), ("flowslider", "scale"), ("flowalign", "omega"), ("icedit", "delta"),
        ("stableflow+", "strength"), ("flowslider", "strength"), ("sdedit", "strength"),
    }  # fmt: skip
    for curve in found:
        assert 5 <= len(curve.points) <= 9
        assert Turn(curve, curve.points, np.zeros((0, len(curve.points))), ()).is_equally_spaced
    on_curves = {line.label for curve in found for _, line in curve.points}
    assert on_curves == made_with.keys()


def _cost(group):
    """NFE of rows that are computed together on one sample, but for the inversion."""
    made, count = SimpleNamespace(**group[0].key_inputs["options"]), len(group)
    return {
        "stableflow+": lambda: 2 * made.steps * (1 + count * (1 if made.true_cfg == 1 else 2)),  # midpoint
        "flowedit": lambda: made.n_max * (1 + count),
        "flowslider": lambda: 3 * made.n_max * count,
        "flowalign": lambda: 3 * made.steps * count,
        "sdedit": lambda: (max(1, round(_start(made) * made.steps)) if _start(made) else 0) * count,
        "icedit": lambda: made.steps * count,
    }[group[0].row.method]()


def _start(made):
    return made.strength["start"] if hasattr(made, "strength") else made.start
