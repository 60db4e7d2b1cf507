"""CONTRIBUTING's examples, run as they stand there."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from flowedit_grag import Editor, methods
from flowedit_grag.evaluation.convergence import FIELDS, order
from flowedit_grag.inversion import solver

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """The folder with every example as the file that its first line names, importable."""
    folder = tmp_path_factory.mktemp("examples")
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", TEXT, re.DOTALL):
        (folder / name).write_text(code)
    sys.path.insert(0, str(folder))
    yield {path.name for path in folder.iterdir()}
    sys.path.remove(str(folder))


def test_all_three_are_there(examples):
    assert examples == {"heun.py", "attention_weight.py", "weighted.py"}


def test_solver(examples):
    heun = solver("heun:heun")
    assert order(heun, FIELDS["spiral"]) == pytest.approx(2, abs=0.15)


def test_intervention(examples):
    from attention_weight import AttentionWeight

    q, k, v = torch.randn(3, 2, 6, 1, 4).unbind()
    mine = AttentionWeight(slice(2, 6), (1,), 0.5)
    _, _, scaled = mine(q, k, v)
    weights = torch.softmax(torch.einsum("bqhd,bkhd->bhqk", q, k), dim=-1)
    weights[1, ..., 2:6] *= 0.5
    torch.testing.assert_close(
        torch.einsum("bhqk,bkhd->bqhd", torch.softmax(torch.einsum("bqhd,bkhd->bhqk", q, k), dim=-1), scaled),
        torch.einsum("bhqk,bkhd->bqhd", weights, v),
    )


def test_method(examples, lab, recolor):
    image = recolor.images()[0]
    prompts = {"source_prompt": recolor.source_prompt, "target_prompt": recolor.target_prompt}

    def edited(**options):
        return np.asarray(
            Editor(method="weighted:Weighted", model=lab, steps=4, **options).edit(image, **prompts).image
        )

    assert edited().shape == (128, 128, 3)
    assert not np.array_equal(edited(gamma=0.2), edited(gamma=1.0))


def test_every_method_is_in_the_readme():
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in methods())
