"""The same equation in other packages, each along its own documented path, for `solve.py` and `gradient.py`.

Every function returns None where its package is not installed. CONTRIBUTING.md says how to install them.

- mosaix-pde: `PDEModel.solve` with its semi-implicit Fourier solver, order one. Same stencils as ours.
- evoxels: its `PseudoSpectralIMEX` step, order one, in one compiled loop (its own loop calls one compiled step at a
  time from Python, which would be slower). Face mobility c̄(1 - c̄) instead of the mean of c(1 - c), three
  dimensions with one layer: so it has its own reference.
- exponax: ETDRK4, spectral derivatives, constant mobility and cubic potential only.
- py-pde: an expression, explicit Runge–Kutta with adaptive steps, compiled by numba.
"""

import importlib.util
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from operax.physics import AbstractEquation

OMEGA, KAPPA, SPACING = 3.0, 0.002, 0.01
NAMES = {"mosaix-pde": "mosaix_pde", "evoxels": "evoxels", "exponax": "exponax", "py-pde": "pde"}


def installed(package: str) -> bool:
    return importlib.util.find_spec(NAMES[package]) is not None


def degenerate(c):
    return c * (1 - c)


def constant(c):
    return jnp.ones_like(c)


def regular_solution(c):
    return jnp.log(c / (1 - c)) + OMEGA * (1 - 2 * c)


def cubic(c):
    return c**3 - c


def mosaix_model(shape: tuple[int, ...]):
    """Its model of Cahn–Hilliard on a periodic box."""
    import mosaix_pde

    equation = {2: mosaix_pde.CahnHilliard2DPeriodic, 3: mosaix_pde.CahnHilliard3DPeriodic}[len(shape)]
    box = tuple((0.0, n * SPACING) for n in shape)
    domain = mosaix_pde.Domain(shape, box, "dimensionless")
    return mosaix_pde.PDEModel(equation, domain, mosaix_pde.SemiImplicitFourierSpectral)


def mosaix(shape, mobility: Callable, potential: Callable, duration: float, splitting: float) -> Callable:
    """End state from (start, number of steps); ``splitting`` is its A, which has no default (its README takes 0.5)."""
    model = mosaix_model(shape)
    laws = {"kappa": KAPPA, "mu": potential, "D": mobility}

    @jax.jit
    def run(c, dt):
        return model.solve(laws, c, jnp.array([0.0, duration], c.dtype), {"A": splitting}, dt0=dt)[-1]

    # a step a hair too long, so that rounding does not add a last tiny one
    return lambda c, steps: run(c, jnp.asarray(duration / steps * (1 + 1e-12), c.dtype))


def evoxels_problem(shape: tuple[int, ...], dtype: str):
    """Its Cahn–Hilliard problem with M = c(1 - c) and our potential."""
    from evoxels.pdes.phase_field import CahnHilliard
    from evoxels.voxelfields import VoxelFields
    from evoxels.voxelgrid import VoxelGridJax

    shape = (*shape, 1)[:3]
    fields = VoxelFields(shape, tuple(n * SPACING for n in shape))
    grid = VoxelGridJax(fields.grid_info(), precision=dtype)
    return CahnHilliard(grid, eps=KAPPA / 2, D=1.0, mu_hom=lambda c, lib=None: regular_solution(c))


class Rate(AbstractEquation):
    """Another package's rate of change as an equation of ours, with the stiffness of one of ours."""

    function: Callable = eqx.field(static=True)
    like: AbstractEquation

    @property
    def fields(self):
        return self.like.fields

    @property
    def local(self):
        return self.like.local

    def rate(self, t, c, domain):
        del t, domain
        return self.function(c)

    def stiffness(self, t, c):
        return self.like.stiffness(t, c)


def evoxels_rate(shape, dtype: str) -> Callable:
    problem = evoxels_problem(shape, dtype)
    return lambda c: problem.rhs(0.0, c.reshape(1, *problem.vg.shape)).reshape(c.shape)


def evoxels(shape, duration: float, dtype: str) -> Callable:
    from evoxels.timesteppers import PseudoSpectralIMEX

    problem = evoxels_problem(shape, dtype)

    @jax.jit
    def run(c, dt, steps):
        stepper = PseudoSpectralIMEX(problem, dt)
        u = c.reshape(1, *problem.vg.shape)
        return jax.lax.fori_loop(0, steps, lambda _, u: stepper.step(0.0, u), u).reshape(c.shape)

    return lambda c, steps: run(c, jnp.asarray(duration / steps, c.dtype), steps)


def exponax(shape, duration: float) -> Callable:
    """Cubic potential, constant mobility one."""
    import exponax

    compiled: dict[int, Callable] = {}

    def run(c, steps):
        if steps not in compiled:
            stepper = exponax.stepper.reaction.CahnHilliard(
                len(shape), shape[0] * SPACING, shape[0], duration / steps, diffusivity=1.0, gamma=KAPPA, order=4
            )
            compiled[steps] = jax.jit(exponax.repeat(stepper, steps))
        return compiled[steps](c[None])[0]

    return run


def py_pde(shape, duration: float) -> Callable:
    """Its own error control: the second argument is one over the tolerance."""
    import pde

    grid = pde.CartesianGrid([(0, n * SPACING) for n in shape], shape, periodic=True)
    # the product rule written out: its nested `divergence(… gradient(…))` would couple every second pixel only
    mu = f"(log(c / (1 - c)) + {OMEGA} * (1 - 2 * c) - {KAPPA} * laplace(c))"
    flux = f"c * (1 - c) * laplace({mu}) + (1 - 2 * c) * dot(gradient(c), gradient({mu}))"
    equation = pde.PDE({"c": flux})
    solvers: dict[float, tuple] = {}

    def run(c, accuracy):
        if accuracy not in solvers:
            solver = pde.RungeKuttaSolver(equation, adaptive=True, tolerance=1 / accuracy)
            stepper = solver.make_stepper(pde.ScalarField(grid, np.asarray(c)), dt=1e-7)
            solvers[accuracy] = (solver, stepper)
        state = pde.ScalarField(grid, np.array(c))
        solvers[accuracy][1](state, 0.0, duration)
        return state.data

    return run
