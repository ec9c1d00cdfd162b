"""Stencils are second order, conservative on every domain, and have the symbol that the theory of them says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import operators
from problems import stencil_eigenvalue

# compiled whole: one compilation a domain, not one an operation
divergence_of_flux = jax.jit(operators.divergence_of_flux, static_argnums=2)
laplacian = jax.jit(operators.laplacian, static_argnums=1)
squared_gradient = jax.jit(operators.squared_gradient, static_argnums=1)

BOUNDARIES = [("periodic", "periodic"), ("no-flux", "no-flux"), ("no-flux", "periodic")]
RNG = np.random.default_rng(0)
RING = np.abs(np.hypot(*(np.mgrid[:9, :11] - np.array([4, 5])[:, None, None])) - 2.5) < 1.6
DOMAINS = [
    Domain(9, 0.3),
    Domain(9, 0.3, "periodic"),
    Domain((9, 11), (0.3, 0.2)),
    Domain((9, 11), (0.3, 0.2), "periodic"),
    Domain((9, 11), (0.3, 0.2), ("no-flux", "periodic")),
    Domain((9, 11), (0.3, 0.2), inside=RING),
    Domain((9, 11), (0.3, 0.2), "periodic", inside=np.roll(RING, 4, 1)),
    Domain((3, 4, 5), (1.0, 0.5, 2.0), ("periodic", "no-flux", "no-flux")),
]
EVERY = pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: f"{d.shape}{d.boundary}{'mask' * d.masked}")


def field(domain):
    return jnp.asarray(np.where(domain.inside, RNG.normal(size=domain.shape), 0.0))


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_symbol_is_that_of_the_stencil(boundary):
    domain = Domain((12, 10), (0.1, 0.3), boundary)
    wave, eigenvalue = np.ones(()), 0.0
    for x, n, h, kind, mode in zip(domain.centres(), domain.shape, domain.spacing, boundary, (3, 2)):
        k = (np.pi if kind == "no-flux" else 2 * np.pi) * mode / (n * h)
        wave, eigenvalue = np.multiply.outer(wave, np.cos(k * x)), eigenvalue + stencil_eigenvalue(k, h)
    np.testing.assert_allclose(laplacian(jnp.asarray(wave), domain), -eigenvalue * wave, atol=1e-11 * eigenvalue)


def test_flux_with_mobility_is_second_order():
    # no-flux: M ∂μ/∂x vanishes at both ends
    sizes, errors = np.array([16, 32, 64]), []
    for n in sizes:
        domain = Domain(n, 1 / n)
        x = domain.centres()[0]
        M, mu = 1 + 0.5 * np.sin(2 * x), np.cos(np.pi * x)
        exact = -np.pi * np.cos(2 * x) * np.sin(np.pi * x) - np.pi**2 * M * np.cos(np.pi * x)
        errors.append(np.abs(divergence_of_flux(jnp.asarray(M), jnp.asarray(mu), domain) - exact)[1:-1].max())
    assert -np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(2, abs=0.15)


def test_squared_gradient_is_second_order():
    sizes, errors = np.array([16, 32, 64]), []
    for n in sizes:
        domain = Domain((n, n), 1 / n, ("no-flux", "periodic"))
        x, y = np.meshgrid(*domain.centres(), indexing="ij")
        u = np.cos(np.pi * x) * np.sin(2 * np.pi * y)
        errors.append(abs(squared_gradient(jnp.asarray(u), domain) - np.pi**2 * (1 + 4) / 4))
    assert -np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(2, abs=0.1)


@EVERY
def test_rows_and_columns_sum_to_zero(domain):
    M = jnp.asarray(RNG.uniform(0.5, 2, domain.shape))
    columns = jnp.eye(M.size).reshape(-1, *domain.shape)
    matrix = jax.jit(jax.vmap(lambda u: divergence_of_flux(M, u, domain)))(columns).reshape(M.size, -1).T
    scale = np.abs(matrix).max()
    np.testing.assert_allclose(matrix.sum(0), 0, atol=1e-13 * scale)  # mass is kept
    np.testing.assert_allclose(matrix.sum(1), 0, atol=1e-13 * scale)  # a level state has no flux
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-13 * scale)
    outside = ~domain.inside.ravel()
    assert (matrix[outside] == 0).all()
    assert (matrix[:, outside] == 0).all()


@EVERY
def test_gradient_energy_is_that_of_the_laplacian(domain):
    # ∫|∇u|² = −∫ u ∇²u, exactly also for the stencils
    u = field(domain)
    volume = np.prod(domain.spacing)
    np.testing.assert_allclose(squared_gradient(u, domain), -(u * laplacian(u, domain)).sum() * volume, rtol=1e-12)


def test_no_flux_through_the_faces_of_a_mask():
    # two particles one pixel apart: neither sees the other
    inside = np.ones((4, 7), bool)
    inside[:, 3] = False
    left, whole = Domain((4, 3), 0.5), Domain((4, 7), 0.5, inside=inside)
    u = field(whole)
    np.testing.assert_allclose(laplacian(u, whole)[:, :3], laplacian(u[:, :3], left), atol=1e-13)
    changed = u.at[:, 4:].add(3.0)
    np.testing.assert_array_equal(laplacian(changed, whole)[:, :3], laplacian(u, whole)[:, :3])


def test_constant_mobility_is_the_laplacian_and_an_axis_of_one_pixel_has_no_flux():
    domain = Domain((5, 1), 0.5, ("no-flux", "periodic"))
    u = field(domain)
    np.testing.assert_allclose(
        divergence_of_flux(jnp.full((5, 1), 2.0), u, domain), 2 * laplacian(u, domain), rtol=1e-13
    )
    np.testing.assert_allclose(laplacian(u, domain)[:, 0], laplacian(u[:, 0], Domain(5, 0.5)), rtol=1e-13)
