"""Solvers against scipy, and what their papers say of them."""

import pytest
import torch

from benchmarks.convergence import FIELDS, order
from flowedit_grag.inversion import SOLVERS, Solver, integrate, trajectory
from flowedit_grag.inversion.rf_inversion import controlled


@pytest.mark.parametrize("field", list(FIELDS))
@pytest.mark.parametrize("name", list(SOLVERS))
def test_order_of_convergence(name, field):
    theory = {"euler": 1, "ddim": 1, "midpoint": 2, "fireflow": 2, "uni_inv": 1}[name]
    assert Solver.of(name).order == theory
    assert order(Solver.of(name), FIELDS[field]) == pytest.approx(theory, abs=0.15)
    assert order(Solver.of(name), FIELDS[field], 1.0, 0.0) == pytest.approx(theory, abs=0.15)


@pytest.mark.parametrize("name", list(SOLVERS))
def test_evaluations(name):
    calls = []

    def field(x, sigma):
        calls.append(sigma)
        return -x

    integrate(field, torch.ones(3), [0.0, 0.25, 0.5, 1.0], Solver.of(name))
    assert len(calls) == {"euler": 3, "ddim": 3, "midpoint": 6, "fireflow": 4, "uni_inv": 4}[name]


@pytest.mark.parametrize("name", list(SOLVERS))
def test_inversion_comes_back_closer_with_more_steps(name):
    x = torch.tensor([0.8, 0.3], dtype=torch.float64)

    def lost(steps):
        sigmas = torch.linspace(0, 1, steps + 1, dtype=torch.float64).tolist()
        noise = integrate(FIELDS["pendulum"], x, sigmas, Solver.of(name))
        return (integrate(FIELDS["pendulum"], noise, sigmas[::-1], Solver.of(name).reverse) - x).abs().max()

    assert lost(64) < lost(16) / 3


def test_better_reversal_than_euler():
    x = torch.tensor([0.8, 0.3], dtype=torch.float64)
    sigmas = torch.linspace(0, 1, 21, dtype=torch.float64).tolist()

    def lost(name):
        noise = integrate(FIELDS["spiral"], x, sigmas, Solver.of(name))
        return (integrate(FIELDS["spiral"], noise, sigmas[::-1], Solver.of(name).reverse) - x).abs().max()

    assert lost("uni_inv") < lost("euler") / 2
    assert lost("midpoint") < lost("euler") / 10
    assert lost("fireflow") < lost("euler") / 5


def test_ddim_undoes_euler_where_velocity_depends_on_sigma_alone():
    x, sigmas = torch.randn(4), [0.0, 0.1, 0.4, 1.0]
    noise = integrate(lambda x, s: torch.full_like(x, s**2), x, sigmas, Solver.of("ddim"))
    back = integrate(lambda x, s: torch.full_like(x, s**2), noise, sigmas[::-1], Solver.of("euler"))
    torch.testing.assert_close(back, x)


def test_trajectory_ends_where_integrate_does():
    x, sigmas = torch.randn(2), [1.0, 0.6, 0.1, 0.0]
    path = list(trajectory(FIELDS["spiral"], x, sigmas, Solver.of("fireflow")))
    assert len(path) == 3
    assert torch.equal(path[-1], integrate(FIELDS["spiral"], x, sigmas, Solver.of("fireflow")))


def test_rf_inversion_pulls_to_the_end_point():
    image, start = torch.randn(3, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    sigmas = torch.linspace(1, 0, 50, dtype=torch.float64).tolist()

    def missed(strength):
        v = controlled(lambda x, s: torch.ones_like(x), image, strength)
        return (integrate(v, start, sigmas, Solver.of("euler")) - image).abs().max()

    assert missed(1.0) < 1e-9
    assert missed(1.0) < missed(0.7) < missed(0.3)
    v = controlled(lambda x, s: -x, image, 0.0)
    assert torch.equal(v(start, 0.5), -start)
    inverting = controlled(lambda x, s: torch.ones_like(x), image, 1.0, sigma_end=1.0)
    assert (integrate(inverting, start, sigmas[::-1], Solver.of("euler")) - image).abs().max() < 1e-9
