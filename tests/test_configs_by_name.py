"""Configs by name, from any folder, in a checkout and in the wheel."""

import shutil
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT
from forked import forked

from flowedit_grag import configs_by_name
from flowedit_grag.configs_by_name import config_names, find_config
from flowedit_grag.errors import InputError
from flowedit_grag.experiments.config import read as read_run
from flowedit_grag.training.config import read as read_training

OURS = ROOT / "configs"


def test_every_config_is_found_by_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = sorted(OURS.rglob("*.yaml"))
    assert [find_config(name) for name in config_names()] == files
    assert [find_config(f"{name}.yaml") for name in config_names()] == files
    assert read_run("lab/table1").rows
    assert read_training("icedit/train_lora").width


def test_a_file_of_ones_own_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "table1.yaml").touch()
    assert find_config("lab/table1") == find_config("lab/table1.yaml") == Path("lab/table1.yaml")
    assert find_config(tmp_path / "lab" / "table1.yaml") == tmp_path / "lab" / "table1.yaml"
    assert find_config("lab/table2") == OURS / "lab" / "table2.yaml"


@pytest.mark.parametrize("name", ["lab/tabel1", "configs/lab/table1.yaml", "lab/table1.yml"])
def test_an_unknown_name_has_a_suggestion(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"there is no config at {name}; did you mean 'lab/table1'\?"):
        find_config(name)
    for none in ("", "qqq"):
        with pytest.raises(InputError, match=r"known by name: .*lab/table1, .*sweep_delta\."):
            find_config(none)


def test_the_wheel_has_them(tmp_path, monkeypatch):
    """As it is built: ``force-include`` puts the folder into the package, where an installed one looks first."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["flowedit_grag"]
    for source, target in wheel["force-include"].items():
        shutil.copytree(ROOT / source, tmp_path / target)
    monkeypatch.setattr(configs_by_name, "_PACKAGE", tmp_path / "flowedit_grag")
    assert find_config("lab/table1") == tmp_path / "flowedit_grag" / "configs" / "lab" / "table1.yaml"


def test_the_commands_take_names(tmp_path):
    said = forked("run", "lab/tabel1", cwd=tmp_path)
    assert said.returncode == 2
    assert said.stderr.startswith("error: there is no config at lab/tabel1; did you mean 'lab/table1'?")
    said = forked("train", "icedit/train_lora", "width=0", cwd=tmp_path)
    assert said.returncode == 2
    assert "width must be from 1 on" in said.stderr
