"""Each transform inverts itself and diagonalises the very stencil that the equations use."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import operators, transforms
from operax.physics.transforms import Box, Eigenbasis, smooth_modes, transform

laplacian = jax.jit(operators.laplacian, static_argnums=1)

BLOB = np.hypot(*(np.mgrid[:9, :8] - np.array([4, 3.5])[:, None, None])) < 3.6
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
]
EVERY = pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: f"{d.shape}{d.boundary}{'mask' * d.masked}")


def field(domain, seed=0):
    values = np.random.default_rng(seed).normal(size=domain.shape)
    return jnp.asarray(np.where(domain.inside, values, 0.0))


@EVERY
def test_round_trip(domain):
    u, t = field(domain), transform(domain)
    assert t.forward(u).shape == t.eigenvalues.shape
    np.testing.assert_allclose(t.inverse(t.forward(u)), u, atol=1e-13)


@EVERY
def test_eigenvalues_times_modes_is_minus_the_laplacian(domain):
    u, t = field(domain), transform(domain)
    scale = t.eigenvalues.max()
    np.testing.assert_allclose(t.inverse(-t.eigenvalues * t.forward(u)), laplacian(u, domain), atol=1e-12 * scale)
    assert t.eigenvalues.min() >= 0


@EVERY
def test_solve_undoes_the_polynomial_of_the_laplacian(domain):
    x, t = field(domain), transform(domain)
    once = laplacian(x, domain)
    u = 2 * x - 0.3 * once + 0.01 * laplacian(once, domain)
    np.testing.assert_allclose(t.solve(2.0, 0.3, 0.01, u), x, atol=1e-11)


@EVERY
def test_every_smooth_mode_is_an_eigenfunction_and_they_are_orthonormal(domain):
    modes, k = smooth_modes(domain, np.inf)
    pixels = domain.inside.sum()
    assert len(k) == pixels
    assert (np.diff(k) >= -1e-12).all()
    flat = modes[:, domain.inside]
    np.testing.assert_allclose(flat @ flat.T / pixels, np.eye(pixels), atol=1e-11)
    assert (modes[:, ~domain.inside] == 0).all()
    applied = jax.vmap(lambda m: laplacian(m, domain))(jnp.asarray(modes))
    eigenvalues = (k**2).reshape(-1, *(1,) * domain.ndim)
    np.testing.assert_allclose(applied, -eigenvalues * modes, atol=1e-11 * k.max() ** 2)


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


def test_a_mask_too_large_is_refused():
    inside = np.ones((80, 80), bool)
    inside[0] = False
    with pytest.raises(ValueError, match=r"6320 pixels inside.*up to 5000\. Crop to fewer particles or bin"):
        transform(Domain((80, 80), inside=inside))
    assert transforms.LARGEST_MASK == 5000
