"""Five ways from a noisy movie to laws. Each gives an `Outcome`. Run nothing by itself."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from starts import EDGE, WINDOW, cutoff_of

import operax as ox
from operax.inference.likelihood import spread

from .experiments import UNKNOWN

# Frames read to either side of a start; the frames that its window is judged on are never read.
REACH = 3
# Steps of the network alone, then with the equation.
ALONE, TOGETHER = 300, 100


class Outcome(NamedTuple):
    """The movie a pipeline ends with, the fit, what judged it, and what made its start states of the raw frames."""

    movie: ox.Movie
    fit: ox.Fit
    problem: ox.Problem
    maker: Callable[[ox.Movie], ox.Movie] | None


def cutoff(raw: ox.Movie, noise) -> float:
    """That of the start's prior, chosen on one movie for all of the same noise, so that they run one program."""
    return cutoff_of(ox.Problem(raw, None, noise))


def trained(raw: ox.Movie, noise, key):
    network = ox.denoise.choose(raw, reach=REACH, skip=WINDOW - 1).network
    return ox.denoise.train(raw, spread(noise), key=key, network=network, steps=ALONE, batch=2)


def inside(states: ox.Movie) -> ox.Movie:
    """States kept away from 0 and 1, where ideal mixing has a logarithm."""
    return states.replace(frames=jnp.clip(states.frames, EDGE, 1 - EDGE))


def given(raw, noise, denoiser, first=0) -> Outcome:
    """States taken as exact, in windows from a frame on."""

    def maker(movie):
        return inside(denoiser(movie))

    windows = [range(i, min(i + WINDOW, len(raw))) for i in range(first, len(raw) - 1, WINDOW - 1)]
    problem = ox.Problem(raw, maker(raw), noise, window=windows, start=ox.Given())
    return Outcome(denoiser(raw), ox.fit(UNKNOWN, problem), problem, maker)


def inferred(raw, noise, states, cutoff) -> Outcome:
    """Start states are unknowns; the movie is the one the fit predicts."""
    problem = ox.Problem(raw, states, noise, start=ox.PreRoll(cutoff=cutoff))
    best = ox.fit(UNKNOWN, problem)
    return Outcome(ox.fitted(best, problem), best, problem, None)


def joint(raw, noise, denoiser, key) -> Outcome:
    found = ox.fit_joint(UNKNOWN, raw, noise, key=key, window=WINDOW, denoiser=denoiser, steps=TOGETHER)
    return Outcome(found.denoiser(raw), found.fit, found.problem, found.denoiser)


def outcome(name: str, raw: ox.Movie, noise, cutoff: float, denoiser: Callable, key: jax.Array) -> Outcome:
    """What a pipeline makes of a movie; ``denoiser`` gives the network trained on it."""
    if name == "raw":
        return given(raw, noise, lambda movie: movie)
    if name == "denoised":
        # as in `fit_joint`, no window starts from a frame of which the network has not seen the whole past
        return given(raw, noise, denoiser(), REACH)
    if name == "joint":
        return joint(raw, noise, denoiser(), key)
    return inferred(raw, noise, None if name == "inferred" else denoiser()(raw), cutoff)


NAMES = ("raw", "denoised", "joint", "inferred", "denoised, inferred")
