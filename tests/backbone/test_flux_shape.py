"""FLUX.1-dev's true architecture, without its weights: every method's calls at true shape, on the meta device."""

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from benchmarks.scale import canvas
from benchmarks.shape import flux_flow
from flowedit_grag import Condition, list_methods, method
from flowedit_grag.methods import METHODS

OPTIONS = {
    "flowedit": {"steps": 2, "n_max": 1, "injection": "vital", "grag": 1.1},
    "flowslider": {"steps": 2, "n_max": 1},
    "flowalign": {"steps": 1},
    "stableflow": {"steps": 1, "grag": 1.1},
    "stableflow+": {"steps": 1, "grag": 1.1},
    "rf-solver-edit": {"steps": 1, "inject_steps": 1},
    "direct-edit": {"steps": 1, "inject_steps": 1},
    "sdedit": {"steps": 1},
    "reconstruct": {"steps": 1},
    "icedit": {"steps": 1, "grag": 1.1},
    "icedit-t2i": {"steps": 1, "grag": 1.1},
}


@pytest.fixture(scope="module")
def flux():
    return flux_flow("meta")


@pytest.fixture(scope="module")
def flux_fill():
    return flux_flow("meta", fills=True)


def test_it_is_flux(flux):
    assert sum(p.numel() for p in flux.transformer.parameters()) == pytest.approx(11.9e9, rel=0.01)
    assert flux.layers == 57
    assert list(flux.attention())[18:20] == ["transformer_blocks.18.attn", "single_transformer_blocks.0.attn"]
    assert flux.profile.vital_layers
    assert isinstance(flux.pipeline.scheduler, FlowMatchEulerDiscreteScheduler)


@pytest.mark.parametrize("name", list_methods())
@pytest.mark.parametrize("size", [(1024, 1024), (1536, 640)])
def test_every_method_at_true_shape(flux, flux_fill, name, size):
    width, height = canvas(name, size)
    latents = torch.empty(1, 16, height // 8, width // 8, device="meta")
    source, *targets = (
        Condition(torch.empty(1, 512, 4096, device="meta"), torch.empty(1, 768, device="meta")) for _ in range(3)
    )
    flow, noise = flux_fill if METHODS[name].fills else flux, torch.Generator().manual_seed(0)
    out = method(name, **OPTIONS[name])(flow, latents, source=source, target=targets, noise=noise)
    assert out.shape == (2, 16, height // 8, width // 8 * (2 if name == "icedit-t2i" else 1))


def test_it_is_flux_fill(flux_fill):
    assert flux_fill.fills
    assert flux_fill.transformer.config.in_channels == 384
    assert flux_fill.transformer.x_embedder.in_features == 384
    assert flux_fill.transformer.proj_out.out_features == 64


def test_schedule_shifts_with_size(flux):
    small = flux.schedule(4, torch.empty(1, 16, 32, 32))
    large = flux.schedule(4, torch.empty(1, 16, 128, 128))
    assert small[0] == large[0] == 1.0
    assert small[-1] == large[-1] == 0.0
    assert large[1] > small[1]
    assert len(small) == 5
