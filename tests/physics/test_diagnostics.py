"""A diagnosis finds what is wrong with a run, and nothing in a run that is right."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import AllenCahn, CahnHilliard, Diffusion, Ends, diagnose, integrate, laws, simulate
from operax.physics.equations import AbstractPhaseField

LINE = Domain(24, 0.01)
C0 = jnp.asarray(0.5 + 0.05 * np.cos(np.pi * LINE.centres()[0] / 0.24 * 2) + 0.02 * np.sin(40 * LINE.centres()[0]))
TIMES = np.linspace(0, 0.04, 6)
SPINODAL = CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(3.0), 2e-3)


@pytest.fixture(scope="module")
def good():
    return simulate(SPINODAL, C0, TIMES, LINE, dt=2e-4)


@pytest.fixture(scope="module")
def clean(good):
    return diagnose(good, SPINODAL)


def test_a_good_run_is_clean(clean):
    assert clean.closed
    assert clean.drift < 1e-12
    assert clean.falling
    assert clean.rises == 0
    assert (np.diff(clean.energy) < 0).all()
    assert clean.outside == 0
    assert clean.error < 1e-4
    assert clean.rejected is None
    for words in ("content", "and should not", "rises over 0 of 5", "0 values outside of 0 to 1", "halving"):
        assert words in str(clean)


def test_a_run_backwards_raises_the_energy(good):
    found = diagnose(good.replace(frames=good.frames[::-1]), SPINODAL)
    assert found.falling
    assert found.rises == 5
    assert found.error > 0.1


def test_leaks_and_excursions_are_counted(good):
    leaking = good.replace(frames=good.frames.at[2:, 3].add(0.6))
    found = diagnose(leaking, SPINODAL)
    assert found.closed
    assert found.drift == pytest.approx(0.6 / float(jnp.abs(leaking.frames).sum(1).max()), rel=1e-6)
    assert found.outside == int((leaking.frames > 1).sum()) > 0
    assert diagnose(good, SPINODAL, span=(0.5, 1.0)).outside == int((good.frames < 0.5).sum())


def test_coarse_steps_show_as_error(good, clean):
    coarse = simulate(SPINODAL, C0, TIMES, LINE, dt=4e-3)
    exact = simulate(SPINODAL, C0, TIMES, LINE, dt=5e-5)
    true = float(jnp.sqrt(((coarse.frames - exact.frames) ** 2).mean(1)).max() / exact.frames.std())
    assert diagnose(coarse, SPINODAL).error == pytest.approx(true, rel=0.02, abs=2e-5)


class Fed(AbstractPhaseField):
    """`SPINODAL` with an inflow everywhere that leads beyond the well of the energy."""

    fields: ClassVar[int] = 1
    local: ClassVar[bool] = False

    def rate(self, t, c, domain):
        return SPINODAL.rate(t, c, domain) + 1.5

    def stiffness(self, t, c):
        return SPINODAL.stiffness(t, c)

    def energy(self, c, domain):
        return SPINODAL.energy(c, domain)


def test_a_source_may_raise_content_and_energy():
    run = simulate(Fed(), C0 + 0.42, TIMES, LINE, dt=2e-4)
    found = diagnose(run, Fed())
    assert not found.closed
    assert found.drift == pytest.approx(0.06 / 0.98, rel=0.02)
    assert not found.falling
    assert found.rises > 0
    for words in ("the system is open", "the system is driven"):
        assert words in str(found)


def test_open_ends_and_drives_are_seen():
    domain = Domain(12, 0.1, (("fixed-flux", "no-flux"),))
    filled = simulate(Diffusion(1.0, ends=Ends(low=0.3)), np.zeros(12), [0.0, 0.1, 0.2], domain)
    found = diagnose(filled, Diffusion(1.0, ends=Ends(low=0.3)))
    assert not found.closed
    assert found.energy is None
    np.testing.assert_allclose(found.content, [0.0, 0.03, 0.06], atol=1e-12)
    still = AllenCahn(1.0, laws.RegularSolution(3.0), 2e-3)
    assert not diagnose(simulate(still, C0, [0.0, 0.1], LINE), still).closed


def test_rejected_steps_are_counted():
    run = integrate(SPINODAL, C0, TIMES, LINE, rtol=1e-7)
    assert int(run.rejected) > 0
    found = diagnose(run, SPINODAL)
    assert found.rejected == int(run.rejected)
    assert f"{found.rejected} rejected" in str(found)


def test_an_equation_without_a_plan_has_an_infinite_error():
    wild = Diffusion(-1.0)
    domain = Domain(8, 0.05, "periodic")
    run = simulate(Diffusion(1.0), 0.5 + 0.1 * jnp.cos(jnp.arange(8.0)), [0.0, 20.0], domain, dt=1.0)
    assert diagnose(run, wild).error == np.inf


def test_single_precision_is_judged_by_its_own_rounding():
    with jax.enable_x64(False):
        run = simulate(SPINODAL, jnp.asarray(C0, jnp.float32), TIMES.astype(np.float32), LINE, dt=2e-4)
        found = diagnose(run, SPINODAL, tolerance=1e-3)
    assert run.frames.dtype == jnp.float32
    assert found.closed
    assert found.drift < 1e-6
    assert found.falling
    assert found.rises == 0
