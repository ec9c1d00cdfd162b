"""Unknown functions as series: Legendre polynomials and cubic B-splines, free or monotone."""

from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.interpolate
from jaxtyping import Array, Float

from .extension import LEVEL, check_span, extended
from .law import AbstractLaw, as_law, check_uniform
from .unknown import check_std


class Legendre(AbstractLaw):
    """Unknown Σₙ aₙ Pₙ(x), n = 1…degree, with x from -1 to 1 over ``span``.

    There is no constant term: the level is another law's business (``Unknown(...) + Legendre(2)``), and in a
    chemical potential it cannot be seen. Outside ``span`` the law goes on along its tangent and levels off.

    Parameters
    ----------
    degree
        Highest polynomial degree, at least one.
    std
        Prior standard deviation of a₁; that of aₙ is ``std * sqrt(2 / (n (n + 1)))``, which penalises the
        squared slope and so prefers smooth laws.
    span
        Range of compositions mapped to [-1, 1].
    """

    degree: int = eqx.field(static=True)
    std: float = eqx.field(static=True, converter=float)
    span: tuple[float, float] = eqx.field(static=True)
    coordinates: Float[Array, " degree"]

    def __init__(self, degree, std=1.0, span=(0.0, 1.0)):
        self.degree, self.std, self.span = degree, std, (float(span[0]), float(span[1]))
        self.coordinates = jnp.zeros(max(int(degree), 0))

    def __check_init__(self):
        if not (isinstance(self.degree, int) and self.degree >= 1):
            raise ValueError(f"`degree` must be an integer of at least one, got {self.degree!r}.")
        check_span(self.span)
        check_std(self.std)

    def __call__(self, c):
        n = np.arange(1, self.degree + 1)
        a = self.coordinates * jnp.asarray(self.std * np.sqrt(2 / (n * (n + 1))), self.coordinates.dtype)
        low, high = self.span

        def series(c, a):
            x = (2 * c - low - high) / (high - low)
            before, now, total = jnp.ones_like(x), x, a[0] * x
            for k in range(1, self.degree):  # Bonnet's recursion
                before, now = now, ((2 * k + 1) * x * now - k * before) / (k + 1)
                total = total + a[k] * now
            return total

        return extended(series, c, low, high, LEVEL * (high - low), (a,))

    @property
    def uniform(self):
        return False


@lru_cache(maxsize=64)
def _cubic_pieces(knots: tuple[float, ...]) -> np.ndarray:
    """Cubic B-splines as polynomials of the distance from the knot below: (spline, power 3 to 0, interval)."""
    repeated = np.concatenate([[knots[0]] * 3, knots, [knots[-1]] * 3])
    splines = [scipy.interpolate.BSpline(repeated, weights, 3) for weights in np.eye(len(knots) + 2)]
    # the three empty intervals at each end come from the repeated knots
    return np.stack([scipy.interpolate.PPoly.from_spline(s).c[:, 3:-3] for s in splines])


def _spline(knots: tuple[float, ...], control: Float[Array, " splines"], c: Float[Array, "*shape"]):
    """The cubic spline with these control points, levelling off beyond its knots."""
    pieces = jnp.tensordot(control, jnp.asarray(_cubic_pieces(knots), control.dtype), 1)
    breaks = np.asarray(knots)

    def spline(x, pieces):
        piece = jnp.clip(jnp.searchsorted(breaks, x, method="compare_all") - 1, 0, len(breaks) - 2)
        d = x - jnp.asarray(breaks, x.dtype)[piece]
        c3, c2, c1, c0 = pieces[:, piece]
        return ((c3 * d + c2) * d + c1) * d + c0

    low, high = knots[0], knots[-1]
    return extended(spline, c, low, high, LEVEL * (high - low), (pieces,))


def _random_walk(steps: Float[Array, " n"], std: float) -> Float[Array, " n+1"]:
    """A random walk of zero mean whose ends differ by ``std`` times a standard normal number."""
    walk = jnp.concatenate([jnp.zeros(1, steps.dtype), jnp.cumsum(steps)])
    return (walk - walk.mean()) * float(std / np.sqrt(len(steps)))


def _check_knots(knots):
    if len(knots) < 4 or (np.diff(knots) <= 0).any():
        raise ValueError(f"`knots` must be at least four increasing numbers, got {knots}.")


class Spline(AbstractLaw):
    """Unknown cubic B-spline with zero mean over its control points and a random-walk prior.

    A spline is local: where no composition was visited its band stays as wide as the prior says.

    Parameters
    ----------
    knots
        Increasing compositions, at least four. Outside them the law goes on along its tangent and levels off.
    std
        Prior standard deviation of the change of the law from the first knot to the last.
    """

    knots: tuple[float, ...] = eqx.field(static=True, converter=lambda k: tuple(float(x) for x in k))
    std: float = eqx.field(static=True, converter=float)
    coordinates: Float[Array, " steps"]

    def __init__(self, knots, std=1.0):
        self.knots, self.std = knots, std
        self.coordinates = jnp.zeros(len(self.knots) + 1)

    def __check_init__(self):
        _check_knots(self.knots)
        check_std(self.std)

    def __call__(self, c):
        return _spline(self.knots, _random_walk(self.coordinates, self.std), c)

    @property
    def uniform(self):
        return False


@lru_cache(maxsize=64)
def _straight_steps(knots: tuple[float, ...]) -> np.ndarray:
    """Steps between the control points of a straight line from 0 to 1 over the knots."""
    repeated = np.concatenate([[knots[0]] * 3, knots, [knots[-1]] * 3])
    places = (repeated[1:-3] + repeated[2:-2] + repeated[3:-1]) / 3
    return np.diff(places) / (knots[-1] - knots[0])


class Monotone(AbstractLaw):
    """Unknown cubic spline that only rises, from 0 at the first knot to ``rise`` at the last.

    The logarithm of its slope is a random walk along the knots; a straight line is the prior's centre. As a
    chemical potential it is that of a convex free energy: a solid solution that never separates.

    Parameters
    ----------
    knots
        Increasing compositions, at least four. Outside them the law goes on along its tangent and levels off.
    rise
        Change from the first knot to the last: a number (known), or a law that is one number, such as
        ``positive(2.0, factor=2)``. A negative number makes a law that only falls.
    std
        Prior standard deviation of the logarithm of the ratio of the slopes at the two ends.
    """

    knots: tuple[float, ...] = eqx.field(static=True, converter=lambda k: tuple(float(x) for x in k))
    rise: AbstractLaw = eqx.field(converter=as_law)
    std: float = eqx.field(static=True, converter=float)
    coordinates: Float[Array, " steps"]

    def __init__(self, knots, rise, std=1.0):
        self.knots, self.rise, self.std = knots, rise, std
        self.coordinates = jnp.zeros(len(self.knots))

    def __check_init__(self):
        _check_knots(self.knots)
        check_uniform(self.rise, "rise")
        check_std(self.std)

    def __call__(self, c):
        # Parts of a whole: positive steps that add up to one, however wild the walk.
        straight = jnp.asarray(np.log(_straight_steps(self.knots)), self.coordinates.dtype)
        parts = jax.nn.softmax(straight + _random_walk(self.coordinates, self.std))
        control = jnp.concatenate([jnp.zeros(1, parts.dtype), jnp.cumsum(parts)])
        return self.rise(c) * _spline(self.knots, control, c)

    @property
    def uniform(self):
        return False
