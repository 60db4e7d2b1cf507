"""The published implementations' recorded runs, replayed through the public interface."""

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from PIL import Image
from safetensors.torch import load_file

from benchmarks.replay import FILL_REPLAYS, REPLAYS, conditions, latent_grid, relative_error, replay
from flowedit_grag import method

TOLERANCE = 1e-5


@pytest.mark.parametrize("name", list(REPLAYS))
def test_replay(tiny, tiny_fill, name):
    assert replay(name, tiny_fill if name in FILL_REPLAYS else tiny, GOLDEN) <= TOLERANCE


def test_every_recording_is_replayed():
    assert {path.stem for path in GOLDEN.glob("*.safetensors")} == set(REPLAYS)


def test_schedule(tiny):
    for name in ("flowedit", "stableflow_edit", "stableflow_inversion"):
        sigmas = load_file(GOLDEN / f"{name}.safetensors")["sigmas"]
        ours = torch.tensor(tiny.schedule(len(sigmas) - 1, torch.empty(1, 16, 16, 16)))
        torch.testing.assert_close(ours, sigmas, atol=1e-7, rtol=0)


def test_image_to_latents_and_back(tiny):
    file = load_file(GOLDEN / "flowedit.safetensors")
    image = Image.open(GOLDEN / "source_128.png")
    # the recording itself is 2.7e-5 away from a float64 run of the same encoder (another convolution kernel), ours 1e-6
    assert relative_error(tiny.encode(image), file["x_src"]) <= 1e-4
    recorded = ((file["out_image"][0].clamp(-1, 1).permute(1, 2, 0) + 1) * 127.5).round().int()
    decoded = torch.from_numpy(np.array(tiny.decode(file["out_latent"], image.size))).int()
    assert (decoded - recorded).abs().max() <= 1  # rounding


def test_values_are_injected_in_the_second_half_of_the_single_blocks_by_default(tiny):
    file = load_file(GOLDEN / "rfsolver_value_injection.safetensors")
    source, target = conditions(file)
    edited = method("rf-solver-edit")(tiny, latent_grid(file["x0"]), source=source, target=[target])
    assert relative_error(edited, latent_grid(file["edit_out"])) <= TOLERANCE
