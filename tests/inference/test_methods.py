"""Every method goes down to the same optimum; matrix-free products are those of the matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax import laws
from operax.inference.fit import SETTLED
from operax.inference.lbfgs import _curved
from operax.inference.linearise import linearise
from operax.inference.newton_cg import _steihaug
from operax.inference.reverse import gradient, product

METHODS = {"newton-cg": ox.NewtonCG(), "l-bfgs": ox.LBFGS()}


@pytest.mark.slow
def test_products_and_gradients_are_those_of_the_normal_equations(solved):
    problem, best = solved
    theta, _ = jax.flatten_util.ravel_pytree(best.equation)
    normal = linearise(best.equation, best.starts, (problem,), best.plans)
    slope = gradient(best.equation, best.starts, (problem,), best.plans)
    scale = float(jnp.abs(normal.gradient_starts).max())
    assert np.asarray(slope[0]) == pytest.approx(np.asarray(normal.gradient_laws), rel=1e-6, abs=1e-6 * scale)
    assert np.asarray(slope[1]) == pytest.approx(np.asarray(normal.gradient_starts), rel=1e-6, abs=1e-6 * scale)
    d_theta, d_xi = (jax.random.normal(jax.random.key(i), x.shape) for i, x in enumerate((theta, best.starts)))
    found = product(best.equation, best.starts, (problem,), best.plans, (d_theta, d_xi))
    expected = (
        normal.laws @ d_theta + normal.cross[0] @ d_xi[0],
        normal.cross[0].T @ d_theta + normal.starts[0] @ d_xi[0],
    )
    assert np.asarray(found[0]) == pytest.approx(np.asarray(expected[0]), rel=1e-8)
    assert np.asarray(found[1][0]) == pytest.approx(np.asarray(expected[1]), rel=1e-8, abs=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_methods_agree(solved, unknown, name):
    problem, best = solved
    other = ox.fit(unknown, problem, method=METHODS[name])
    assert other.result.startswith("converged")
    ours, theirs = (jax.flatten_util.ravel_pytree(f.equation)[0] for f in (best, other))
    away = theirs - ours
    assert float(away @ best.normal.schur() @ away) ** 0.5 < SETTLED
    assert np.all(np.diff(other.history) < 0)


def test_a_truncated_step_solves_the_system_or_ends_on_the_trust_radius():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(9, 9))
    matrix, slope = jnp.asarray(root @ root.T + np.eye(9)), jnp.asarray(rng.normal(size=9))

    def curved(change):
        image = matrix @ jnp.concatenate(change)
        return image[:4], image[4:]

    step, promised, inside = _steihaug((slope[:4], slope[4:]), curved, 100.0)
    x = np.concatenate(step)
    assert inside
    assert np.linalg.norm(matrix @ x + slope) < 0.1 * np.linalg.norm(slope)
    assert promised == pytest.approx(float(-slope @ x - 0.5 * x @ matrix @ x), rel=1e-9)
    step, promised, inside = _steihaug((slope[:4], slope[4:]), curved, 0.05)
    x = np.concatenate(step)
    assert not inside
    assert np.linalg.norm(x) == pytest.approx(0.05)
    assert promised == pytest.approx(float(-slope @ x - 0.5 * x @ matrix @ x), rel=1e-9)


def test_the_learnt_curvature_meets_the_secant_condition():
    rng = np.random.default_rng(1)
    memory = []
    for _ in range(3):
        change = rng.normal(size=6)
        memory += [change, np.diag(np.arange(1.0, 7)) @ change]
    assert _curved(memory[-1], tuple(memory), 1.0) == pytest.approx(memory[-2], rel=1e-12)


@pytest.mark.parametrize("bad", [ox.NewtonCG, ox.LBFGS])
def test_settings_must_be_positive(bad):
    with pytest.raises(ValueError, match=r"`steps`, `tolerance` and `(radius|first)` must be positive"):
        bad(steps=0)


@pytest.mark.slow
def test_an_interrupted_l_bfgs_remembers(solved, unknown, tmp_path):
    problem, _ = solved
    whole = ox.fit(unknown, problem, method=ox.LBFGS())

    def pull_the_plug(now):
        if now.part == 1 and now.step > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ox.fit(unknown, problem, method=ox.LBFGS(), progress=pull_the_plug, checkpoint=tmp_path / "fit.h5")
    again = ox.fit(unknown, problem, method=ox.LBFGS(), checkpoint=tmp_path / "fit.h5")
    assert float(again.log_density) == float(whole.log_density)


def test_several_starts_reach_one_optimum(solved, unknown):
    problem, best = solved
    found = ox.multistart(unknown, problem, key=jax.random.key(3), size=3)
    assert float(found.best.log_density) == pytest.approx(float(best.log_density), abs=0.02)
    assert len(found.fits) + found.lost == 3
    assert "of 3 starts reached the best optimum" in str(found)


def test_no_start_that_can_be_solved_is_an_error(line):
    _, _, noisy, noise = line
    # a source that is no number anywhere; a stiff stepper may carry one that only explodes past its pole
    hopeless = ox.Diffusion(1.0, source=laws.Known(lambda c: jnp.sqrt(-1 - c**2)) + laws.Unknown(0.0, 1.0))
    with pytest.raises(RuntimeError, match="could not be solved from any of 1 starting points"):
        ox.multistart(hopeless, ox.Problem(noisy, None, noise), key=jax.random.key(0), size=1)
    with pytest.raises(ValueError, match="`size` must be at least 1"):
        ox.multistart(hopeless, ox.Problem(noisy, None, noise), key=jax.random.key(0), size=0)
