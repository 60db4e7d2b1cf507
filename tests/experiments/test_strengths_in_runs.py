"""Rows of a run at a strength: what is edited, and what the records say of it."""

import json

import numpy as np
import pytest
from PIL import Image

from flowedit_grag import Editor, InputError
from flowedit_grag.experiments.config import read
from flowedit_grag.experiments.run import run

CONFIG = """
model: lab
out: {out}
seed: 1
dataset: {{name: lab, split: validation, per_task: 1, tasks: [color]}}
metrics: [psnr_outside]
methods:
  weak: {{method: sdedit, steps: 4, strength: 0.25}}
  strong: {{method: sdedit, steps: 4, strength: 1}}
  plain: {{method: stableflow+, steps: 2, strength: null}}
  shared weak: {{method: stableflow+, steps: 2, strength: 0.0, calibrate: {{option: delta, values: [1.5, 0.5]}}}}
  shared strong: {{method: stableflow+, steps: 2, strength: 1.0, calibrate: {{option: delta, values: [1.5, 0.5]}}}}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(out=tmp_path / "run"))
    return path


@pytest.mark.usefixtures("one_model")
def test_a_run(config, tmp_path, lab):
    run(read(config))
    made = json.loads((tmp_path / "run" / "manifest.json").read_text())["made_with"]
    assert made["shared weak"]["options"]["strength"] == {"strength": 0.0, "delta": 1.5}
    assert "grag" not in made["shared weak"]["options"]
    assert made["strong"]["options"]["strength"]["strength"] == 1.0
    assert "start" not in made["strong"]["options"]
    assert len(made["shared strong"]["group"]) == 3  # one inversion for all of stableflow+
    pictures = {path.parent.name: np.asarray(Image.open(path)) for path in (tmp_path / "run").rglob("*.png")}
    assert np.abs(pictures["weak"].astype(int) - pictures["strong"].astype(int)).mean() > 1
    assert not np.array_equal(pictures["shared weak"], pictures["shared strong"])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("strength: 0.25", "strength: 2", "line 8: strength must be from 0"),
        ("strength: 0.25", "strength: 0.5, start: 0.5", "give strength or start, not both"),
        ("strength: 0.25", "calibrate: x.json", "give a strength too"),
        ("method: sdedit, steps: 4, strength: 1", "method: reconstruct, strength: 1", "has nothing that a strength"),
        ("strength: 0.25", "strength: 0.5, calibrate: /nowhere.json", "is no calibration"),
    ],
)
def test_rows_that_cannot_be(config, old, new, sentence):
    config.write_text(config.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=sentence):
        read(config)


def test_an_editor_of_a_row(lab):
    row = {"strength": 1.0, "calibrate": {"option": "delta", "values": [1.5, 0.5]}}
    assert Editor("stableflow+", lab, **row).method.control.delta == 0.5
