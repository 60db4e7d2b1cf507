"""Every method on the tiny model: shapes, batches, seeds, precision."""

import dataclasses

import pytest
import torch
from conftest import GOLDEN

from benchmarks.overhead import recorded_calls
from benchmarks.replay import relative_error
from flowedit_grag import GRAG, Condition, InputError, list_methods, load, method
from flowedit_grag.methods import METHODS
from flowedit_grag.methods.stableflow import lagging

SHORT = {"steps": 4}
OPTIONS = {
    "flowedit": {"steps": 4, "n_max": 3, "vital_layers": (0, 3, 8)},
    "flowslider": {"steps": 4, "n_max": 3},
    "flowalign": {"steps": 3, "omega": 0.5},  # above 1 it amplifies rounding
    "stableflow": {"steps": 4, "vital_layers": (0, 3, 8)},
    "stableflow+": {"steps": 3, "vital_layers": (0, 3, 8)},
    "rf-solver-edit": {"steps": 3},
    "direct-edit": {"steps": 3, "inject_steps": 1},
    "sdedit": {"steps": 4},
    "reconstruct": {"steps": 3},
    "icedit": {"steps": 4, "guidance": 5.0},
    "icedit-t2i": {"steps": 3, "guidance": 2.0},
}
WIDER = {"icedit-t2i": 2}  # makes a diptych of the source


def prompts(count, text=11, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        Condition(torch.randn(1, text, 32, generator=generator), torch.randn(1, 32, generator=generator))
        for _ in range(count)
    ]


def latents(height=8, width=12, seed=1):
    return torch.randn(1, 16, height, width, generator=torch.Generator().manual_seed(seed))


def run(flow, name, targets=1, x=None, text=11, seed=7, **options):
    source, *wanted = prompts(1 + targets, text)
    edit = method(name, **{**OPTIONS[name], **options})
    noise = torch.Generator().manual_seed(seed)
    return edit(flow, latents() if x is None else x, source=source, target=wanted, noise=noise)


def test_every_method_is_tested():
    assert set(OPTIONS) == set(list_methods())


@pytest.mark.parametrize("name", list_methods())
@pytest.mark.parametrize(("height", "width", "text"), [(8, 8, 1), (4, 14, 40)])
def test_any_shape_and_text_length(tiny_for, name, height, width, text):
    out = run(tiny_for(name), name, targets=2, x=latents(height, width), text=text)
    assert out.shape == (2, 16, height, width * WIDER.get(name, 1))
    assert out.dtype == torch.float32
    assert out.isfinite().all()


@pytest.mark.parametrize(("true_cfg", "tolerance"), [(1.0, 1e-5), (2.0, 3e-5)])  # guidance amplifies rounding
@pytest.mark.parametrize("name", list_methods())
def test_a_batch_is_its_singles(tiny_for, name, true_cfg, tolerance):
    source, *targets = prompts(4)
    edit = method(name, **OPTIONS[name], true_cfg=true_cfg)

    def edited(wanted):
        return edit(tiny_for(name), latents(), source=source, target=wanted, noise=torch.Generator().manual_seed(0))

    together = edited(targets)
    for row, target in zip(together, targets, strict=True):
        assert relative_error(row, edited([target])[0]) <= tolerance


@pytest.mark.parametrize("name", list_methods())
def test_the_same_seed_is_the_same_bit_for_bit_whatever_ran_before(tiny_for, name):
    first = run(tiny_for(name), name)
    torch.randn(100)
    run(tiny_for(name), name, seed=99)
    assert torch.equal(run(tiny_for(name), name), first)


@pytest.mark.parametrize("name", ["flowedit", "sdedit"])
def test_another_seed_is_another_result(tiny, name):
    assert not torch.allclose(run(tiny, name, seed=1), run(tiny, name, seed=2))


@pytest.mark.parametrize("name", list_methods())
def test_bfloat16(name):
    flow = load(GOLDEN / ("tiny_flux_fill" if METHODS[name].fills else "tiny_flux"), dtype="bf16")
    out = run(flow, name, targets=2)
    assert out.dtype == torch.float32
    assert out.isfinite().all()


@pytest.mark.parametrize("name", [name for name in list_methods() if METHODS[name].takes_control])
@pytest.mark.parametrize("true_cfg", [1.0, 2.0])
def test_grag_at_rest_is_no_grag(tiny_for, name, true_cfg):
    plain = run(tiny_for(name), name, targets=2, true_cfg=true_cfg)
    assert torch.equal(run(tiny_for(name), name, targets=2, true_cfg=true_cfg, grag=(1, 1)), plain)
    assert not torch.allclose(run(tiny_for(name), name, targets=2, true_cfg=true_cfg, grag=1.3), plain, atol=1e-3)


@pytest.mark.parametrize("name", ["flowedit", "stableflow+"])
def test_a_strength_for_each_target(tiny, name):
    source, target = prompts(2)
    edit = method(name, **OPTIONS[name])

    def edited(deltas):
        return edit(
            tiny, latents(), source=source, target=[target] * len(deltas), noise=torch.Generator().manual_seed(0),
            grag=[GRAG(delta=delta) for delta in deltas],
        )  # fmt: skip

    together = edited([0.8, 1.0, 1.5])
    for row, delta in zip(together, [0.8, 1.0, 1.5], strict=True):
        assert relative_error(row, edited([delta])[0]) <= 1e-5


def test_a_small_memory_budget_gives_the_same_in_more_batches(tiny):
    source, *targets = prompts(4)
    edit = method("stableflow+", **OPTIONS["stableflow+"])
    roomy = edit(tiny, latents(), source=source, target=targets)
    calls = tiny.cost.calls
    tight = dataclasses.replace(tiny, memory_budget=1)
    crowded = edit(tight, latents(), source=source, target=targets)
    torch.testing.assert_close(crowded, roomy, atol=2e-5, rtol=0)
    assert tiny.cost.calls - calls == 2 * 3 + 3 * 2 * 3  # one inversion, three batches of one


def test_positions_are_exact_in_bfloat16():
    flow, x = load(GOLDEN / "tiny_flux", dtype="bfloat16"), latents(2, 1200)
    (condition,) = prompts(1)
    (call,) = recorded_calls(flow, lambda: flow.velocity(condition)(x, 0.5))
    assert call["img_ids"][:, 2].unique().tolist() == list(range(600))


def test_nfe(tiny_for):
    for name, targets, calls, nfe in (
        ("flowedit", 2, 3, 3 * 3),
        ("flowslider", 2, 3, 3 * 5),
        ("flowalign", 2, 3, 3 * 5),
        ("stableflow", 1, 4 + 4, 4 + 4 * 2),
        ("stableflow+", 2, 6 + 6, 6 + 6 * 3),
        ("rf-solver-edit", 1, 6 + 6, 12),
        ("direct-edit", 2, 3 + 3, 3 + 3 + 2 * 2),
        ("reconstruct", 1, 6 + 6, 12),
        ("sdedit", 3, 3, 9),
        ("icedit", 2, 4, 8),
        ("icedit-t2i", 2, 6 + 3, 6 + 3 * 2),
    ):
        cost = tiny_for(name).cost
        before = cost.calls, cost.nfe
        run(tiny_for(name), name, targets)
        assert (cost.calls - before[0], cost.nfe - before[1]) == (calls, nfe), name


def test_true_guidance_of_one_is_off_and_the_velocity_is_linear_in_it(tiny):
    from flowedit_grag.guidance.classifier_free import GuidedVelocity

    a, b, negative = prompts(3)
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    both = Condition.cat([a, b])

    def v(*scales):
        return GuidedVelocity(tiny, both, (2.0, 3.0), scales, negative)(x, 0.5)

    plain, away = v(1.0, 1.0), v(0.0, 0.0)
    every = Condition.cat([a, b, negative, negative])  # in a batch of the same size: others round apart
    alone = tiny.velocity(every, [2.0, 3.0] * 2)(torch.cat([x, x]), 0.5)[2:]
    torch.testing.assert_close(away, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(v(1.0, 4.0)[1], away[1] + 4 * (plain[1] - away[1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(v(1.0, 4.0)[0], plain[0], atol=1e-5, rtol=0)
    assert GuidedVelocity(tiny, both, (2.0, 3.0), (1.0, 4.0), negative).rows == (0, 1, 1)


def test_flowedit_n_min_ends_with_plain_sampling(tiny):
    out = run(tiny, "flowedit", n_max=4, n_min=4)
    sampled = run(tiny, "sdedit", start=1.0, guidance=5.5)
    torch.testing.assert_close(out, sampled, atol=1e-5, rtol=0)  # from the same first draw


def test_flowedit_to_the_source_itself_changes_nothing(tiny):
    (source,) = prompts(1)
    edit = method("flowedit", **OPTIONS["flowedit"], target_guidance=1.5)
    out = edit(tiny, latents(), source=source, target=[source], noise=torch.Generator().manual_seed(0))
    torch.testing.assert_close(out, latents(), atol=1e-4, rtol=0)


def test_flowedit_injection(tiny):
    plain = run(tiny, "flowedit")
    assert not torch.allclose(run(tiny, "flowedit", injection="vital"), plain, atol=1e-3)


def test_stableflow_undoes_its_nudge_unless_published(tiny):
    (source,) = prompts(1)

    def edited(**options):
        edit = method("stableflow+", steps=40, guidance=1.0, vital_layers=tuple(range(10)), **options)
        return edit(tiny, latents(8, 8), source=source, target=[source])

    torch.testing.assert_close(edited(), latents(8, 8), atol=0.1, rtol=0)
    published = edited(source_alignment="published")
    assert published.std() > 1.05 * latents(8, 8).std()


def test_stableflow_published_row_lags_two_steps():
    path = [torch.full((1, 1, 2, 2), float(i)) for i in range(6)]  # 5 steps, noise first
    assert [float(row.mean()) for row in lagging(path)[1:]] == [4, 0, 1, 2, 3]


@pytest.mark.parametrize(("alignment", "rows"), [("aligned", lambda path: path), ("published", lagging)])
def test_stableflow_s_source_row_is_on_its_path_after_each_step(tiny, alignment, rows):
    edit, states = method("stableflow", steps=4, source_alignment=alignment, vital_layers=(0,)), []
    source, target = prompts(2)
    for made in edit.iterate(tiny, latents(8, 8), source=source, target=[target]):
        states.append((made.stage, made.latents))
    path = [*(latent for stage, latent in reversed(states) if stage == "invert"), latents(8, 8) * edit.nudge]
    for row, expected in zip([x[:1] for stage, x in states if stage == "edit"], rows(path)[1:], strict=True):
        assert torch.equal(row, expected)


def test_reconstruct_gets_closer_with_order(tiny):
    source = prompts(1)[0]
    x = latents(8, 8)

    def lost(solver):
        edit = method("reconstruct", steps=20, solver=solver)
        return (edit(tiny, x, source=source, target=[source]) - x).abs().mean()

    assert lost("midpoint") < lost("euler") / 3
    pulled = method("reconstruct", steps=5, solver="euler", eta=1.0, gamma=0.5)
    out = pulled(tiny, x, source=source, target=[source], noise=torch.Generator().manual_seed(0))
    torch.testing.assert_close(out, x, atol=1e-4, rtol=0)


def test_a_solver_may_be_a_function_of_your_own(tiny):
    from flowedit_grag.inversion import Solver

    def step(v, x, s0, s1, memo):
        return x + (s1 - s0) * v(x, s0), None

    mine = run(tiny, "reconstruct", solver=Solver("mine", step, order=1))
    assert torch.equal(mine, run(tiny, "reconstruct", solver="euler"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "stabelflow"}, "did you mean 'stableflow'"),
        ({"name": "flowedit", "step": 3}, "did you mean 'steps'"),
        ({"name": "flowedit", "n_max": 30}, "n_max=30"),
        ({"name": "flowedit", "steps": 2.5}, "whole number"),
        ({"name": "flowedit", "steps": "many"}, "steps must be a whole number"),
        ({"name": "flowedit", "target_guidance": float("nan")}, "target_guidance must be finite"),
        ({"name": "flowedit", "injection": "vitall"}, "did you mean 'vital'"),
        ({"name": "stableflow", "solver": "midpont"}, "did you mean 'midpoint'"),
        ({"name": "stableflow", "grag": float("nan")}, "delta must be finite and not negative"),
        ({"name": "stableflow", "grag": -1}, "delta must be finite and not negative"),
        ({"name": "stableflow", "grag": {"delt": 1}}, "unknown option of GRAG 'delt'; did you mean 'delta'"),
        ({"name": "stableflow", "steps": 0}, "above 0"),
        ({"name": "sdedit", "start": 1.5}, "0 <= start <= 1"),
        ({"name": "sdedit", "strength": 0.5}, "the option 'strength' of the method sdedit is called 'start' now"),
        ({"name": "rf-solver-edit", "inject_steps": 99}, "inject_steps"),
        ({"name": "flowslider", "n_max": 29}, "n_max=29, steps=28"),
        ({"name": "flowslider", "n_avg": 0}, "n_avg >= 1"),
        ({"name": "flowslider", "scale": -1}, "scale must be finite and not negative"),
        ({"name": "flowalign", "steps": 0}, "steps from 1 on"),
        ({"name": "direct-edit", "skip_steps": 30}, "skip_steps < steps, not 30 of 30"),
        ({"name": "nowhere:Nothing"}, "cannot import"),
    ],
)
def test_wrong_options_say_so(options, words):
    with pytest.raises(InputError, match=words):
        method(options.pop("name"), **options)


def test_wrong_input_says_so(tiny):
    source, target = prompts(2)
    with pytest.raises(InputError, match="0 to 9"):
        method("stableflow", steps=2, vital_layers=(3, 57))(tiny, latents(), source=source, target=[target])
    with pytest.raises(InputError, match=r"vital layers of .* not known"):
        method("stableflow", steps=2)(tiny, latents(), source=source, target=[target])
    with pytest.raises(InputError, match=r"at least one"):
        method("sdedit")(tiny, latents(), source=source, target=[])
    with pytest.raises(InputError, match=r"one source"):
        method("sdedit")(tiny, torch.zeros(2, 16, 8, 8), source=source, target=[target])
    with pytest.raises(InputError, match=r"more\) noise"):
        method("sdedit")(tiny, latents(), source=source, target=[target], noise=[])
    with pytest.raises(InputError, match="shaped like the latents"):
        method("sdedit")(tiny, latents(), source=source, target=[target], noise=[torch.zeros(1, 16, 4, 4)])
    with pytest.raises(InputError, match="takes no grag"):
        method("sdedit")(tiny, latents(), source=source, target=[target], grag=[GRAG(delta=2)])
    with pytest.raises(InputError, match="one text length"):
        method("sdedit")(tiny, latents(), source=source, target=[target, prompts(1, text=5)[0]])
