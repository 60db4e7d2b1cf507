"""docs/how_it_works.md: its names exist where it says, and do what it says; and how much there is to read."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from flowedit_grag import GRAG, Condition, method
from flowedit_grag.guidance.classifier_free import GuidedVelocity
from flowedit_grag.injection.share import ShareKV, source_hooks

PACKAGE = ROOT / "flowedit_grag"
PAGE = (ROOT / "docs" / "how_it_works.md").read_text()
# What someone reads who wants to know FlowEdit, StableFlow+, GRAG, the hook, guidance and the velocity, with everything
# that these files import, but for the ground floor: errors, and how options are checked.
CORE = (
    "methods/flowedit.py", "methods/stableflow_plus.py", "guidance/grag.py", "guidance/classifier_free.py",
    "backbone/attention_hook.py", "backbone/flow.py", "backbone/families/flux_transformer.py",
)  # fmt: skip
ASIDE = ("errors.py", "options.py", "registry.py")


def module(parts):
    """The file of a module, given the names that lead to it."""
    path = ROOT.joinpath(*parts)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def imports(path):
    """The files of the package that a file imports, in functions too."""
    here = [*path.relative_to(ROOT).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("flowedit_grag")):
            above = here[: len(here) - node.level + 1] if node.level else []
            base = [*above, *(node.module.split(".") if node.module else [])]
            found |= {module([*base, alias.name]) or module(base) for alias in node.names}
    return found - {None, path}


def closure(files):
    seen, todo = set(), list(files)
    while todo:
        path = todo.pop()
        if path not in seen and path.name not in ASIDE:
            seen.add(path)
            todo += imports(path)
    return seen


def test_the_core_can_be_read():
    core = closure(PACKAGE / name for name in CORE)
    lines = sum(len(path.read_text().splitlines()) for path in core)
    assert len(core) <= 16, sorted(str(path.relative_to(PACKAGE)) for path in core)
    assert lines <= 1_000, lines


def test_no_file_imports_itself_through_others():
    for folder in ("flowedit_grag", "benchmarks", "recipes"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name == "__init__.py":
                continue
            seen, todo = set(), [file for file in imports(path) if file.name != "__init__.py"]
            while todo:
                file = todo.pop()
                assert file != path, f"{path.relative_to(ROOT)} is in a circle of imports"
                if file not in seen:
                    seen.add(file)
                    todo += [other for other in imports(file) if other.name != "__init__.py"]


def test_one_class_name_is_one_class():
    found = [
        node.name
        for folder in ("flowedit_grag", "benchmarks", "recipes")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    ]
    assert len(found) > 100
    assert not [name for name, count in Counter(found).items() if count > 1]


def defined(path):
    """Names of functions, classes and their methods in a file."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef))
                yield from (f"{node.name}.{inner.target.id}" for inner in node.body if isinstance(inner, ast.AnnAssign))


def test_names_exist_where_the_page_says():
    everywhere = {name for path in PACKAGE.rglob("*.py") for name in defined(path)}
    named = re.findall(r"`([A-Z]\w+(?:\.\w+)?|[a-z]+_\w+)`", PAGE)
    assert len(named) > 15
    assert not [name for name in named if name not in everywhere]
    for names, path in re.findall(r"((?:`[\w.]+`,? ?)+)\(?(?:, )?`(\w+/\w+\.py)`", PAGE):
        there = set(defined(PACKAGE / path))
        assert all(name in there for name in re.findall(r"`([\w.]+)`", names)), (names, path)
    assert all((PACKAGE / path).exists() for path in re.findall(r"`(\w+/(?:\w+\.py)?|\w+\.py)`", PAGE))


def rows(count):
    return Condition(torch.randn(count, 5, 32), torch.randn(count, 32))


def test_the_batch_is_as_drawn(tiny):
    v = GuidedVelocity(tiny, rows(3), (1.0, 3.0, 3.0), (1.0, 2.0, 2.0), rows(1))
    drawn = re.search(r"^row of x +([\d ]+)", PAGE, re.MULTILINE)[1].split()
    assert v.rows == tuple(map(int, drawn)) == (0, 1, 2, 1, 2)


def test_grag_acts_after_the_source_s_keys_came_in(tiny):
    x, condition = torch.randn(1, 16, 8, 8), rows(2)
    v = GuidedVelocity(tiny, condition, (1.0, 3.0), (1.0, 1.0))
    layout = tiny.layout(x, condition)
    hook = source_hooks(v, layout, (GRAG(0.9, 1.2),), (3,))[3]
    q, k, value = torch.randn(3, 2, layout.text + layout.tokens, 2, 4).unbind()
    _, turned, shared = hook(q, k, value)
    source = k[0, layout.image]
    expected = 0.9 * source.mean(0) + 1.2 * (source - source.mean(0))
    torch.testing.assert_close(turned[1, layout.image], expected)
    assert torch.equal(shared[1, layout.image], value[0, layout.image])
    assert torch.equal(turned[0], k[0])
    assert source_hooks(v, layout, (GRAG(),), (3,), share=False) == {}
    assert isinstance(source_hooks(v, layout, (GRAG(),), (3,))[3], ShareKV)


def test_stableflow_keeps_the_source_on_its_path(tiny):
    states = list(
        method("stableflow+", steps=3, vital_layers=(0,)).iterate(
            tiny, torch.randn(1, 16, 8, 8), source=rows(1), target=rows(2)
        )
    )
    path = [made.latents for made in states if made.stage == "invert"]
    beside = [made.latents[:1] for made in states if made.stage == "edit"]
    assert torch.equal(beside[0], path[-2])
    assert torch.equal(beside[1], path[-3])


@pytest.mark.parametrize("name", [path.stem for path in (PACKAGE / "inversion" / "solvers").glob("[a-z]*.py")])
def test_solvers_are_found_by_name(name):
    from flowedit_grag.inversion import Solver

    assert Solver.of(name).name == name


def test_the_page_is_short():
    assert len(PAGE.splitlines()) <= 110
    assert Path(ROOT / "docs" / "how_it_works.md").exists()
