"""Shared models and pictures."""

import os
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("MKL_CBWR", "AUTO")  # as `train` asks; processes begun while one trains would inherit it

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture(autouse=True)
def same_noise_every_time():
    """Tests may draw from the global generator."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def same_environment():
    """Commands set variables for their process, which those started later would inherit."""
    with patch.dict(os.environ):
        yield


@pytest.fixture(scope="session")
def tiny():
    """The tiny FLUX that the published implementations were recorded on."""
    from flowedit_grag import load

    return load(GOLDEN / "tiny_flux")


@pytest.fixture(scope="session")
def tiny_fill():
    """Its Fill counterpart, which the diptych was recorded on."""
    from flowedit_grag import load

    return load(GOLDEN / "tiny_flux_fill")


@pytest.fixture(scope="session")
def tiny_for(tiny, tiny_fill):
    """The tiny model that a method, given by name, works with."""
    from flowedit_grag.methods import METHODS

    return lambda name: tiny_fill if METHODS[name].fills else tiny


@pytest.fixture(scope="session")
def lab():
    """The embedded model."""
    from flowedit_grag import load

    return load("lab")


@pytest.fixture(scope="session")
def recolor():
    """A recolouring problem of the lab with one item."""
    from flowedit_grag.lab.tasks import sample_edit

    return next(
        edit
        for edit in (sample_edit(np.random.default_rng(seed), "color") for seed in range(100))
        if len(edit.source.items) == 1
    )


@pytest.fixture
def one_model(lab, monkeypatch):
    """Runs in this process need not load the lab again."""
    from flowedit_grag.experiments import editors

    monkeypatch.setattr(editors, "load", lambda model, **loading: lab)
