"""Start states of the windows of a fit: unknown and carried in by the equation, or taken as given.

Either way a window starts from ``base + Σ ξ_j mode_j`` at some time before (or at) its first frame, with ξ
standard normal. Given starts have no modes.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..domain import Domain
from ..movie import Movie
from ..physics.transforms import smooth_modes

# Modes whose prior amplitude is below this part of the largest are left out.
FAINTEST = 0.05
MOST_MODES = 400
# The prior amplitude must not yet fall where the frames still have structure: with k_c just where nine tenths of
# it lie, laws came out wrong by many standard deviations under a perfect χ², see docs/decisions.md.
STRUCTURE, ROOM = 0.97, 1.5
# Structure is what exceeds the noise by so many of its standard deviations.
SURE = 2.0
# The change of the mean is measured on so many frames.
DRIFT_FRAMES = 3


class Given(eqx.Module):
    """Start every window from the matching frame of ``states``, taken as exact.

    Notes
    -----
    Noise or blur in these frames biases the laws, and the bands know nothing of it. Use it for starts that are
    exact, or as the baseline to compare with.
    """


class PreRoll(eqx.Module):
    """Start every window from unknown smooth modes a little before its first frame.

    The equation carries the state to the first frame and supplies the fine structure on the way, so few modes
    are needed and the prior on them need not be tight.

    Parameters
    ----------
    lead
        Time before the first frame, in the movie's unit; ``None`` for one median frame interval.
    cutoff
        Wavenumber k_c of the prior amplitude exp(-(k/k_c)²/2), radians per length; ``None`` takes 1.5 times
        the wavenumber below which 97 % of the structure of the first frames lies.
    """

    lead: float | None = eqx.field(default=None, static=True)
    cutoff: float | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        for name in ("lead", "cutoff"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise ValueError(f"`{name}` must be positive and finite, or None to choose it, got {value}.")


class Starts(eqx.Module):
    """The start states of a problem, resolved: one base state and one guess a window, modes shared by all."""

    base: Float[Array, "window *space"]
    modes: Float[Array, "mode *space"]  # each scaled by its prior amplitude
    guess: Float[Array, "window mode"]
    lead: float = eqx.field(static=True)

    def state(self, window: Array | int, xi: Float[Array, " mode"]) -> Float[Array, "*space"]:
        return self.base[window] + jnp.tensordot(xi.astype(self.modes.dtype), self.modes, 1)


def given(states: Movie, firsts: tuple[int, ...]) -> Starts:
    base = states.frames[np.asarray(firsts)]
    return Starts(base, jnp.zeros((0, *base.shape[1:]), base.dtype), jnp.zeros((len(firsts), 0), base.dtype), 0.0)


def unknown(kind: PreRoll, states: Movie, variance: Float[Array, "time *space"], firsts: tuple[int, ...]) -> Starts:
    """Resolve a `PreRoll` on frames with noise ``variance``.

    The centre and the overall spread are those of the first frames; the guess is their Wiener estimate in the
    modes. Where the mean changes with time, as under a reaction, the centre is that of ``lead`` earlier, and the
    prior of the mean is as wide as that change.
    """
    domain = states.domain
    inside = domain.inside
    lead = kind.lead or float(np.median(np.diff(np.asarray(states.times))))
    first = np.asarray(states.frames, float)[list(firsts)]
    noise = float(np.mean(np.asarray(variance, float)[list(firsts)][:, inside]))
    centre = first[:, inside].mean(-1)
    deviation = np.where(inside, first - centre.reshape(-1, *(1,) * domain.ndim), 0)
    cutoff = kind.cutoff or _structure_cutoff(deviation, noise, domain)
    modes, k = smooth_modes(domain, cutoff * np.sqrt(-2 * np.log(FAINTEST)))
    if len(k) > MOST_MODES:
        modes, k = modes[:MOST_MODES], k[:MOST_MODES]
    spread = np.sqrt(max(np.mean(deviation[:, inside] ** 2) - noise, noise / 10))
    amplitude = np.exp(-0.5 * (k / cutoff) ** 2)
    # white pattern cut to these modes would have this spread; twice it keeps the prior from being tight
    amplitude *= 2 * spread / np.sqrt(np.mean(amplitude**2) * len(k))
    changed = lead * _drift(states, firsts)
    level = k < 1e-6 * max(cutoff, 1e-300)
    amplitude = np.where(level, np.hypot(amplitude, 2 * np.abs(changed).max()), amplitude)
    modes = modes * amplitude.reshape(-1, *(1,) * domain.ndim)
    flat = modes[:, inside]
    seen = deviation[:, inside] @ flat.T
    guess = np.linalg.solve(flat @ flat.T + noise * np.eye(len(k)), seen.T).T
    before = _earlier(centre, changed)
    base = np.where(inside, before.reshape(-1, *(1,) * domain.ndim), 0) * np.ones(first.shape)
    dtype = states.frames.dtype
    return Starts(jnp.asarray(base, dtype), jnp.asarray(modes, dtype), jnp.asarray(guess, dtype), lead)


def _drift(states: Movie, firsts: tuple[int, ...]) -> Float[np.ndarray, " window"]:
    """Rate of change of the mean over the first frames of each window, by a straight line."""
    t = np.asarray(states.times, float)
    mean = np.asarray(states.frames, float)[:, states.domain.inside].mean(-1)
    slopes = []
    for first in firsts:
        begin = max(0, min(first, len(t) - DRIFT_FRAMES))
        near = slice(begin, begin + DRIFT_FRAMES)
        slopes.append(np.polyfit(t[near] - t[begin], mean[near], 1)[0])
    return np.array(slopes)


def _earlier(centre, changed):
    """The mean before the change; a fraction between 0 and 1 goes no more than half of the way to either."""
    before = centre - changed
    fraction = (centre > 0) & (centre < 1)
    return np.where(fraction, np.clip(before, centre / 2, (1 + centre) / 2), before)


def _structure_cutoff(deviation, noise, domain: Domain) -> float:
    """`ROOM` times the wavenumber below which `STRUCTURE` of the noise-free mean square of the frames lies."""
    shortest = 2 * min(h for h, n in zip(domain.spacing, domain.shape) if n > 1)
    modes, k = smooth_modes(domain, 2 * np.pi / shortest / 2)
    pixels = domain.inside.sum()
    amplitudes = deviation[:, domain.inside] @ modes[:, domain.inside].T / pixels
    chance = SURE * np.sqrt(2 * np.arange(1, 1 + len(k)) / len(deviation))
    # noise alone adds up to a random walk, whose highest point may lie anywhere
    energy = np.maximum(np.cumsum((amplitudes**2).mean(0) - noise / pixels) - chance * noise / pixels, 0)
    if energy.max() <= 0:
        return float(k[min(len(k) - 1, 8)])
    reached = int(np.argmax(np.maximum.accumulate(energy) >= STRUCTURE * energy.max()))
    return float(ROOM * max(k[reached], k[min(len(k) - 1, 3)]))
