"""Simulated experiments with known laws, small enough to be repeated hundreds of times. Run nothing by itself.

`LINE`: nonlinear diffusion on a line of 24 pixels, 6 frames, two unknown numbers. `LONG`: the same on a line twice as
long in twice as many frames under a wide prior, so that bands of one law hardly feel it. `PLANE`: a Cahn–Hilliard
pattern on 16², 10 frames, four unknown numbers (M with a slope in c, Ω, κ). Every experiment has a start state and
noise of its own. All of one kind share shapes, times and start modes, so that they run one compiled program.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import operax as ox
from operax import laws

# A start frame that is taken as exact is kept this far from 0 and 1: ideal mixing has a logarithm there.
EDGE = 0.03


@dataclass(frozen=True)
class Trial:
    """A kind of experiment.

    Parameters
    ----------
    unknown
        The equation with its prior.
    truths
        Coordinates of laws that differ, in the prior's units.
    start
        A random state for a key.
    settle
        Time the true equation is given before the first frame. It must be longer than a pre-roll: a start state that
        no earlier state of the equation leads to is not what such a start can be.
    dt
        Step of the simulation.
    cutoff
        That of the start's prior, one for all experiments.
    window
        Frames of a window whose start is given.
    quantities
        Names, and the numbers of an equation.
    """

    unknown: ox.physics.AbstractEquation
    truths: dict[str, tuple[float, ...]]
    domain: ox.Domain
    start: Callable
    settle: float
    times: np.ndarray
    dt: float
    cutoff: float
    window: int | None
    names: tuple[str, ...]
    quantity: Callable

    def law(self, name: str, key) -> ox.physics.AbstractEquation:
        """A named truth, or a draw of the prior."""
        coordinates, rebuild = ravel_pytree(self.unknown)
        return rebuild(jax.random.normal(key, coordinates.shape) if name == "prior" else jnp.array(self.truths[name]))

    def movie(self, truth, key) -> ox.Movie:
        times = np.concatenate([[0.0], self.settle + self.times])
        return ox.simulate(truth, self.start(key), times, self.domain, dt=self.dt)[1:]

    def inferred(self, raw: ox.Movie, noise) -> ox.Problem:
        """Start states are unknowns."""
        return ox.Problem(raw, None, noise, start=ox.PreRoll(cutoff=self.cutoff))

    def given(self, raw: ox.Movie, states: ox.Movie, noise) -> ox.Problem:
        """Start states are taken from frames, as if these were exact."""
        return ox.Problem(raw, states, noise, window=self.window, start=ox.Given())

    def problem(self, raw: ox.Movie, noise, states: Callable | None) -> ox.Problem:
        """Start states inferred, or made by ``states`` of the raw movie."""
        return self.inferred(raw, noise) if states is None else self.given(raw, states(raw), noise)

    def maker(self, law: str, sigma: float, states: Callable | None) -> Callable:
        """Experiments for `operax.calibrate`; ``states`` makes given start states of a raw movie."""
        noise = ox.noise.Gaussian(sigma)

        def make(key):
            law_key, state_key, noise_key = jax.random.split(key, 3)
            truth = self.law(law, law_key)
            clean = self.movie(truth, state_key)
            raw = clean.replace(frames=noise.sample(clean.frames, key=noise_key))
            return truth, self.problem(raw, noise, states)

        return make


def as_recorded(raw: ox.Movie) -> ox.Movie:
    """Noisy frames as start states, away from the ends of the composition."""
    return raw.replace(frames=jnp.clip(raw.frames, EDGE, 1 - EDGE))


# Pixels of a line for each of the waves it starts with.
PIXELS = 6


def _waves(waves, key):
    """Smooth random compositions between about 0.1 and 0.9."""
    x = (jnp.arange(PIXELS * waves) + 0.5) / (PIXELS * waves)
    numbers = jnp.arange(1, waves + 1)
    amplitudes = jax.random.normal(key, (waves,)) / numbers**0.5
    return 0.5 + 0.38 * jnp.tanh(jnp.cos(jnp.pi * x[:, None] * numbers) @ amplitudes)


LINE = Trial(
    unknown=ox.Diffusion(laws.positive(2.0, factor=1.5) * laws.Exp(laws.Legendre(1, 0.4))),
    truths={"rising": (0.5, 1.0), "falling": (-0.5, -1.0)},
    domain=ox.Domain((4 * PIXELS,), 1.0),
    start=partial(_waves, 4),
    settle=1.5,
    times=np.arange(6.0),
    dt=0.125,
    cutoff=0.9,
    window=None,
    names=("D(0.3)", "D(0.5)", "D(0.7)"),
    quantity=lambda e: e.diffusivity(jnp.array([0.3, 0.5, 0.7])),
)
LONG = replace(
    LINE,
    unknown=ox.Diffusion(laws.positive(2.0, factor=3) * laws.Exp(laws.Legendre(1, 1.0))),
    truths={"rising": (0.2, 0.4), "falling": (-0.2, -0.4)},
    domain=ox.Domain((8 * PIXELS,), 1.0),
    start=partial(_waves, 8),
    times=np.arange(12.0),
)

SIZE, SPACING, INTERVAL = 16, 1 / 60, 4e-3
SEEDING = ox.CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(2.7), 2e-3)
SQUARE = ox.Domain((SIZE, SIZE), SPACING)


def _pattern(key):
    """A half-grown spinodal pattern, the same for every law, so that no prior draw is asked for the impossible."""
    seed = 0.5 + 0.05 * jax.random.normal(key, SQUARE.shape)
    return ox.simulate(SEEDING, seed, np.array([0.0, 0.085]), SQUARE, dt=1e-3).frames[-1]


def _plane_numbers(e):
    at = jnp.array([0.3, 0.7])
    return jnp.stack(
        [*jnp.log(e.mobility(at)), e.potential.omega(0.5), jnp.log(e.kappa(0.5)), e.diffusivity(jnp.array(0.5))]
    )


PLANE = Trial(
    unknown=ox.CahnHilliard(
        laws.Degenerate(laws.positive(1.0, factor=2) * laws.Exp(laws.Legendre(1, 0.7))),
        laws.RegularSolution(laws.Unknown(2.7, 0.4)),
        laws.positive(2e-3, factor=2),
    ),
    # log M, slope, Ω, log κ
    truths={"even": (0.0, 0.0, 0.0, 0.0), "steep": (0.4, 0.6, 0.5, -0.4)},
    domain=SQUARE,
    start=_pattern,
    settle=2 * INTERVAL,
    times=INTERVAL * np.arange(10),
    dt=INTERVAL / 20,
    cutoff=26.0,
    window=4,
    names=("log M(0.3)", "log M(0.7)", "Ω", "log κ", "D(0.5)"),
    quantity=_plane_numbers,
)
TRIALS = {"line": LINE, "long": LONG, "plane": PLANE}
