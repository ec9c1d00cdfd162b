"""A law, an equation and a reader of your own: how fast does a film spread over a plate, and how fast does it grow?"""

from pathlib import Path
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import operax as ox
from operax.physics import AbstractEquation
from operax.physics.operators import divergence_of_flux


class Hill(ox.laws.AbstractLaw):
    """top cⁿ / (hⁿ + cⁿ): n is known, the unknown numbers are those of the laws ``top`` and ``half``."""

    top: ox.laws.AbstractLaw
    half: ox.laws.AbstractLaw
    steepness: float = eqx.field(static=True, default=2.0)
    uniform: ClassVar[bool] = False

    def __call__(self, c):
        up = jnp.maximum(c, 0) ** self.steepness
        return self.top(c) * up / (self.half(c) ** self.steepness + up)


class Spread(AbstractEquation):
    """∂c/∂t = ∇·(D ∇c) + g(c) (1 − c): spreading, and growth up to one."""

    diffusivity: ox.laws.AbstractLaw
    growth: ox.laws.AbstractLaw
    fields: ClassVar[int] = 1
    local: ClassVar[bool] = True  # a pixel's rate depends on it and its neighbours alone

    def rate(self, t, c, domain):
        return divergence_of_flux(self.diffusivity(c), c, domain) + self.growth(c) * (1 - c)

    def stiffness(self, t, c):  # coefficients of ∇² and −∇⁴
        return self.diffusivity(c), jnp.zeros_like(c)


def read(path: str | Path, spacing: float) -> ox.Movie:
    """A movie along a line from text: a time, then a value for every pixel, on each line."""
    table = np.loadtxt(path, delimiter=",")
    return ox.Movie(table[:, 1:], table[:, 0], ox.Domain(table.shape[1] - 1, spacing), units=("mm", "h", "cover"))


def main(path: str | Path, report: str | Path = "spread.html"):
    """Fit both laws to a recorded line, write the report."""
    problem = ox.Problem(read(path, 0.25), noise=ox.noise.Gaussian(0.02))
    growth = Hill(ox.laws.positive(1.0, factor=3), ox.laws.positive(0.5, factor=2))
    best = ox.fit(Spread(ox.laws.positive(0.5, factor=3), growth), problem)
    posterior = ox.laplace(best, problem, key=jax.random.key(1))
    laws = {"D (mm²/h)": lambda e, c: e.diffusivity(c), "g(c) (1/h)": lambda e, c: e.growth(c)}
    ox.report(posterior, problem, report, quantities=laws)
    return posterior
