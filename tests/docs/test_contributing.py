"""CONTRIBUTING's examples, run as they stand there."""

import ast
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT

import flowedit_grag
from benchmarks.convergence import FIELDS, order
from flowedit_grag import Editor
from flowedit_grag.inversion import Solver

PACKAGE = Path(flowedit_grag.__file__).parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


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


def units_of_the_table():
    """What each floor of CONTRIBUTING's table holds, from the top, and what is below them all."""
    floors = re.findall(r"^\| ((?:`[\w.]+`(?:, )?)+) \|", TEXT, re.MULTILINE)
    below = re.search(r"^((?:`\w+`(?:, | and )?\s?)+) are below all", TEXT, re.MULTILINE)
    return [re.findall(r"`([\w.]+)`", names) for names in (*floors, below[1])]


def unit(parts):
    """The entry of the table that a module is part of, given its path below the package."""
    return parts[0]


def imported(path):
    """The units whose modules a file imports."""
    here = ["flowedit_grag", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
            names = [alias.name for alias in node.names] if len(module) == 2 and not module[1] else [module[1]]
            yield from (unit([name, *module[2:]]) for name in names if name != "__version__")


def test_upper_floors_import_lower_ones():
    floor = {name: number for number, names in enumerate(units_of_the_table()) for name in names}
    files = [
        path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem not in ("__init__", "__main__")
    ]
    assert len(files) > 150
    for path in files:
        own = unit([*path.relative_to(PACKAGE).with_suffix("").parts])
        for other in imported(path):
            assert floor[own] <= floor[other], f"{path} imports {other}, which is above {own}"


def test_solver(examples):
    heun = Solver.of("heun:heun")
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
