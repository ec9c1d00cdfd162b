"""D(c) from movies whose course is known in closed form, or fed through an end, without noise: to a hundredth."""

import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax import laws

VISITED = np.linspace(0.1, 0.9, 17)


def found(movie, unknown):
    """D over the visited compositions, the first frame given as exact."""
    problem = ox.Problem(movie, None, ox.noise.Gaussian(1e-3), start=ox.Given())
    best = ox.fit(unknown, problem)
    assert best.result.startswith("converged")
    return np.asarray(best.equation.diffusivity(jnp.asarray(VISITED)))


@pytest.mark.slow
def test_philip_profile():
    """Sorption with c = 1 held at one end: φ = x/√t = 1 − c where D = c (1 − c/2)/2, whose front is sharp.

    J. R. Philip, Aust. J. Phys. 13, 1 (1960), doi:10.1071/PH600001: D = −½ φ′(c) ∫₀ᶜ φ dc.
    """
    domain = ox.Domain((60,), 1 / 60, (("fixed-value", "no-flux"),))
    times = np.linspace(0.1, 0.7, 7)
    frames = np.maximum(1 - np.asarray(domain.centres()[0]) / np.sqrt(times[:, None]), 0)
    shape = laws.Exp(laws.Legendre(3, 0.5))
    unknown = ox.Diffusion(laws.positive(0.3, factor=2) * shape * (lambda c: jnp.maximum(c, 0)), ends=ox.Ends(low=1.0))
    exact = VISITED * (1 - VISITED / 2) / 2
    error = found(ox.Movie(frames, times, domain), unknown) - exact
    assert np.linalg.norm(error) < 0.01 * np.linalg.norm(exact)


@pytest.mark.slow
def test_through_thickness_with_a_flux():
    """A film fed through its face, as an electrode under current: the inflow is known, D is not."""
    domain = ox.Domain((30,), 1 / 30, (("fixed-flux", "no-flux"),))
    ends = ox.Ends(low=lambda t: 0.6 + 0.4 * jnp.cos(3 * t))
    truth = ox.Diffusion(lambda c: 0.3 + 0.4 * c**2, ends=ends)
    movie = ox.simulate(truth, jnp.full(30, 0.05), np.linspace(0, 1.2, 9), domain)
    unknown = ox.Diffusion(laws.positive(0.5, factor=2) * laws.Exp(laws.Legendre(3, 0.5)), ends=ends)
    exact = 0.3 + 0.4 * VISITED**2
    assert np.linalg.norm(found(movie, unknown) - exact) < 0.01 * np.linalg.norm(exact)
