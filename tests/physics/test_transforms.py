"""Each transform inverts itself and diagonalises the very stencil that the equations use."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import operators
from operax.physics.transforms import (
    Box,
    ConjugateGradients,
    Eigenbasis,
    choice,
    conjugate,
    smooth_modes,
    transform,
    waves,
)

laplacian = jax.jit(operators.laplacian, static_argnums=1)
forward = eqx.filter_jit(lambda geometry, u: geometry.forward(u))
inverse = eqx.filter_jit(lambda geometry, u: geometry.inverse(u))
solve = eqx.filter_jit(lambda geometry, a, b, c, u: geometry.solve(a, b, c, u))

BLOB = np.hypot(*(np.mgrid[:9, :8] - np.array([4, 3.5])[:, None, None])) < 3.6
SPECKLE = np.random.default_rng(3).random((14, 13)) < 0.55  # thirty-odd particles of all sizes
DEEP = SPECKLE[:4, :5, None] | (np.arange(3) == 1)
TWO = np.ones((6, 9), bool)
TWO[:, 4] = False
DOMAINS = [
    Domain(9, 0.3),
    Domain(8, 0.3, "periodic"),
    Domain(9, 0.3, "periodic"),
    Domain((9, 8), (0.3, 0.2)),
    Domain((9, 8), (0.3, 0.2), "periodic"),
    Domain((9, 8), (0.3, 0.2), ("periodic", "no-flux")),
    Domain((9, 8), (0.3, 0.2), ("no-flux", "periodic")),
    Domain((9, 8), (0.3, 0.2), inside=BLOB),
    Domain((9, 8), (0.3, 0.2), "periodic", inside=np.roll(BLOB, 4, 0)),
    Domain((6, 9), 0.5, inside=TWO),
    Domain((3, 4, 5), 1.0, ("periodic", "no-flux", "periodic")),
    Domain(9, 0.3, "fixed-value"),
    Domain(8, 0.3, "fixed-flux"),
    Domain(9, 0.3, "fixed-value/no-flux"),
    Domain(8, 0.3, "fixed-flux/fixed-value"),
    Domain((9, 8), (0.3, 0.2), ("fixed-value", "periodic")),
    Domain((9, 8), (0.3, 0.2), ("no-flux/fixed-value", "fixed-value/no-flux")),
    Domain((3, 4, 5), 1.0, ("fixed-value/no-flux", "no-flux", "periodic")),
    Domain((9, 8), (0.3, 0.2), ("fixed-value", "no-flux/fixed-value"), inside=BLOB),
    Domain((14, 13), (0.3, 0.2), ("fixed-value/no-flux", "periodic"), inside=SPECKLE),
    Domain((4, 5, 3), (0.3, 0.2, 0.5), ("periodic", "fixed-value/no-flux", "no-flux"), inside=DEEP),
    Domain((1, 6), 0.5, ("fixed-value", "no-flux"), inside=np.arange(6)[None] != 2),
]
EVERY = pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: f"{d.shape}{d.boundary}{'mask' * d.masked}")


def field(domain, seed=0):
    values = np.random.default_rng(seed).normal(size=domain.shape)
    return jnp.asarray(np.where(domain.inside, values, 0.0))


@EVERY
def test_round_trip(domain):
    u, t = field(domain), transform(domain)
    amplitudes = forward(t, u)
    assert amplitudes.shape == t.eigenvalues.shape
    np.testing.assert_allclose(inverse(t, amplitudes), u, atol=1e-13)


@EVERY
def test_eigenvalues_times_modes_is_minus_the_laplacian(domain):
    u, t = field(domain), transform(domain)
    scale = t.eigenvalues.max()
    np.testing.assert_allclose(inverse(t, -t.eigenvalues * forward(t, u)), laplacian(u, domain), atol=1e-12 * scale)
    assert t.eigenvalues.min() >= 0


@EVERY
def test_solve_undoes_the_polynomial_of_the_laplacian(domain):
    x, t = field(domain), transform(domain)
    once = laplacian(x, domain)
    u = 2 * x - 0.3 * once + 0.01 * laplacian(once, domain)
    np.testing.assert_allclose(solve(t, 2.0, 0.3, 0.01, u), x, atol=1e-11)


@EVERY
def test_every_smooth_mode_is_an_eigenfunction_between_closed_ends_and_they_are_orthonormal(domain):
    modes, k = smooth_modes(domain, np.inf)
    closed = Domain(
        domain.shape, domain.spacing, [b if b == "periodic" else "no-flux" for b in domain.boundary], domain.inside
    )
    pixels = domain.inside.sum()
    assert len(k) == pixels
    assert (np.diff(k) >= -1e-12).all()
    flat = modes[:, domain.inside]
    np.testing.assert_allclose(flat @ flat.T / pixels, np.eye(pixels), atol=1e-11)
    assert (modes[:, ~domain.inside] == 0).all()
    applied = jax.vmap(lambda m: laplacian(m, closed))(jnp.asarray(modes))
    eigenvalues = (k**2).reshape(-1, *(1,) * domain.ndim)
    np.testing.assert_allclose(applied, -eigenvalues * modes, atol=1e-11 * k.max() ** 2)


@pytest.mark.parametrize("ends", ["no-flux", "fixed-value", "fixed-value/no-flux", "no-flux/fixed-value"])
def test_long_axes_are_transformed_by_the_same_waves(monkeypatch, ends):
    domain = Domain((5, 9), 0.3, ("no-flux", ends))
    u, short = field(domain), Box(domain)
    monkeypatch.setattr(waves, "LARGEST_MATRIX", 0)
    long = Box(domain)
    assert long.waves[1].matrix is None
    np.testing.assert_allclose(forward(long, u), forward(short, u), atol=1e-13)
    np.testing.assert_allclose(inverse(long, u), inverse(short, u), atol=1e-13)
    single = eqx.filter_eval_shape(lambda u: long.inverse(long.forward(u)), u.astype(jnp.float32))
    assert single.dtype == jnp.float32


def test_smooth_modes_stop_at_the_largest_wavenumber():
    domain = Domain((16, 12), 0.1)
    modes, k = smooth_modes(domain, 6.0)
    _, every = smooth_modes(domain, np.inf)
    assert modes.shape == (len(k), 16, 12)
    np.testing.assert_allclose(k, every[every <= 6.0], rtol=1e-12)
    assert k[0] == 0
    np.testing.assert_allclose(modes[0], 1.0, rtol=1e-12)


def test_each_particle_has_its_own_level_mode():
    eigenvalues = transform(Domain((6, 9), 0.5, inside=TWO)).eigenvalues
    assert (eigenvalues < 1e-10).sum() == 2


def test_single_precision_stays_single():
    for domain in (DOMAINS[5], DOMAINS[7]):
        t, u = transform(domain), field(domain).astype(jnp.float32)
        back = t.inverse(t.forward(u))
        assert back.dtype == jnp.float32
        np.testing.assert_allclose(back, u, atol=2e-6)


def test_transform_suits_the_domain_and_is_kept():
    assert isinstance(transform(Domain(9)), Box)
    masked = Domain((9, 8), inside=BLOB)
    assert isinstance(transform(masked), Eigenbasis)
    assert transform(Domain((9, 8), inside=BLOB.copy())) is transform(masked)


LARGE = Domain((17, 15), (0.3, 0.25), inside=np.hypot(*(np.mgrid[:17, :15] - np.array([8, 7])[:, None, None])) < 6.6)
SOLVED = [
    LARGE,
    Domain((17, 15), 0.3, ("fixed-value/no-flux", "periodic"), inside=np.arange(17)[:, None] * np.ones(15) != 6),
]


@pytest.mark.parametrize("domain", SOLVED, ids=["closed", "fixed value"])
def test_conjugate_gradients_solve_what_the_eigenbasis_solves(domain):
    u, exact, iterated = field(domain), Eigenbasis(domain), ConjugateGradients(domain)
    for a, b, c in ((1.0, 0.5, 0.0), (1.0, 0.0, 0.2), (1.5, 0.1, 30.0)):
        x, y = (solve(geometry, jnp.asarray(a), jnp.asarray(b), jnp.asarray(c), u) for geometry in (exact, iterated))
        np.testing.assert_allclose(y, x, atol=1e-9 * np.abs(x).max())
    assert iterated.eigenvalues.max() >= exact.eigenvalues.max()
    single = solve(iterated, 1.0, 0.1, 0.01, u.astype(jnp.float32))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, solve(exact, 1.0, 0.1, 0.01, u), atol=1e-5)


def test_conjugate_gradients_keep_the_mass_of_each_particle():
    domain = Domain((6, 9), 0.5, inside=TWO)
    u = field(domain)
    x = solve(ConjugateGradients(domain), 2.0, 0.3, 0.7, u)
    for part in (slice(0, 4), slice(5, 9)):
        assert x[:, part].sum() == pytest.approx(float(u[:, part].sum() / 2), abs=1e-14)


def test_conjugate_gradients_have_the_derivatives_of_the_solution():
    u, v, w = (field(LARGE, seed) for seed in range(3))
    exact, iterated = Eigenbasis(LARGE), ConjugateGradients(LARGE)

    @jax.jit
    def derivatives(b, u):
        results = []
        for geometry in (exact, iterated):

            def solve(b, u, geometry=geometry):
                return geometry.solve(1.0, b, 0.3, u)

            pushed = jax.jvp(solve, (b, u), (1.0, v))[1]
            pulled = jax.vjp(solve, b, u)[1](w)
            batch = jax.vmap(lambda d: jax.jvp(solve, (b, u), (0.0, d))[1])(jnp.stack([v, w]))
            results.append((pushed, *pulled, batch))
        return results

    for one, other in zip(*derivatives(0.5, u)):
        np.testing.assert_allclose(other, one, atol=1e-9 * np.abs(one).max())


def test_a_solve_that_does_not_converge_is_not_a_number(monkeypatch):
    monkeypatch.setattr(conjugate, "MOST_ITERATIONS", 1)
    nothing = solve(ConjugateGradients(LARGE), 1.0, 0.5, 0.0, field(LARGE))
    assert np.isnan(nothing[LARGE.inside]).all()


def test_a_large_mask_is_solved_with_and_has_no_transform(monkeypatch):
    monkeypatch.setattr(choice, "LARGEST_PARTICLE", 100)
    transform.cache_clear()
    geometry = transform(LARGE)
    monkeypatch.undo()
    transform.cache_clear()
    assert isinstance(geometry, ConjugateGradients)
    for verb in (geometry.forward, geometry.inverse):
        with pytest.raises(RuntimeError, match=r"137 pixels inside has no eigenbasis.*use `SBDF2` or `SemiImplicitE"):
            verb(field(LARGE))


def test_smooth_modes_of_a_large_mask(monkeypatch):
    modes, k = smooth_modes(LARGE, 3.0)
    monkeypatch.setattr(choice, "LARGEST_PARTICLE", 100)
    transform.cache_clear()
    sparse, wavenumbers = smooth_modes(LARGE, 3.0)
    monkeypatch.undo()
    transform.cache_clear()
    np.testing.assert_allclose(wavenumbers, k, atol=1e-6)
    # equal but for the basis within a degenerate pair
    np.testing.assert_allclose((sparse**2).sum(0), (modes**2).sum(0), atol=1e-8)
