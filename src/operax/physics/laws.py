"""Constitutive laws: functions of composition, known or with unknown coefficients.

The leaves of a law are its unknown numbers in standard-normal coordinates: the constructor states the prior in
physical terms, and every leaf starts at zero, the prior's centre. A law given by numbers alone has no leaves.
Laws take an array of compositions and return an array of the same shape; they add and multiply.
"""

import abc
from collections.abc import Callable
from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.interpolate
from jaxtyping import Array, Float

# Compositions within this distance of 0 and 1 see the logarithm and c(1-c) continued, see `_extended`.
EDGE = 1e-3
# Fitted laws level off over this part of their span beyond its ends.
LEVEL = 0.05


def _extended(law: Callable, c: Array, low: float, high: float, reach: float = np.inf) -> Array:
    """Evaluate ``law`` on [low, high] and continue it outside by its tangent, so it is C¹ everywhere.

    With a finite ``reach`` the tangent levels off over that distance, so that a fitted polynomial or the
    exponential of one stays within bounds where a trial run strays.
    """
    inner = jnp.clip(c, low, high)
    value, slope = jax.jvp(law, (inner,), (jnp.ones_like(inner),))
    beyond = c - inner
    return value + slope * (beyond if np.isinf(reach) else reach * jnp.tanh(beyond / reach))


class AbstractLaw(eqx.Module):
    """A function of composition that adds and multiplies with other laws and with numbers."""

    @abc.abstractmethod
    def __call__(self, c: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The law at every composition in ``c``."""

    @property
    @abc.abstractmethod
    def uniform(self) -> bool:
        """Whether the law has the same value at every composition."""

    def __add__(self, other):
        return Sum(self, as_law(other))

    def __radd__(self, other):
        return Sum(as_law(other), self)

    def __mul__(self, other):
        return Product(self, as_law(other))

    def __rmul__(self, other):
        return Product(as_law(other), self)


def as_law(value) -> AbstractLaw:
    """A law from a law, a number (known), or a function of composition (known).

    Raises
    ------
    TypeError
        If ``value`` is none of these.
    """
    if isinstance(value, AbstractLaw):
        return value
    if callable(value):
        return Known(value)
    if np.ndim(value) == 0 and not isinstance(value, str | bytes | None | jax.core.Tracer):
        return Constant(float(value))
    raise TypeError(
        f"a law must be an `operax.laws` object, a number or a function of composition, got {type(value).__name__}."
    )


def derivative(law: Callable, c: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The derivative dlaw/dc at every composition in ``c``."""
    c = jnp.asarray(c)
    return jax.jvp(law, (c,), (jnp.ones_like(c),))[1]


class Sum(AbstractLaw):
    """The sum of two laws."""

    first: AbstractLaw
    second: AbstractLaw

    def __call__(self, c):
        return self.first(c) + self.second(c)

    @property
    def uniform(self):
        return self.first.uniform and self.second.uniform


class Product(AbstractLaw):
    """The product of two laws."""

    first: AbstractLaw
    second: AbstractLaw

    def __call__(self, c):
        return self.first(c) * self.second(c)

    @property
    def uniform(self):
        return self.first.uniform and self.second.uniform


class Constant(AbstractLaw):
    """A known number."""

    value: float = eqx.field(static=True, converter=float)

    def __check_init__(self):
        if not np.isfinite(self.value):
            raise ValueError(f"a constant law must be finite, got {self.value}.")

    def __call__(self, c):
        return jnp.full_like(c, self.value)

    @property
    def uniform(self):
        return True


class Known(AbstractLaw):
    """A known function of composition, written with `jax.numpy`.

    The function is held by identity: a fresh lambda for every call compiles every time anew.
    """

    function: Callable = eqx.field(static=True)

    def __call__(self, c):
        return jnp.broadcast_to(self.function(c), jnp.shape(c))

    @property
    def uniform(self):
        return False


class Unknown(AbstractLaw):
    """An unknown number with a normal prior.

    Parameters
    ----------
    mean, std
        Prior mean and standard deviation, in the law's units.
    """

    mean: float = eqx.field(static=True, converter=float)
    std: float = eqx.field(static=True, converter=float)
    coordinate: Float[Array, ""]

    def __init__(self, mean, std):
        self.mean, self.std = mean, std
        self.coordinate = jnp.zeros(())

    def __check_init__(self):
        _check_std(self.std)

    def __call__(self, c):
        return jnp.broadcast_to(self.mean + self.std * self.coordinate, jnp.shape(c)).astype(jnp.result_type(c))

    @property
    def uniform(self):
        return True


def _check_std(std):
    if not (np.isfinite(std) and std > 0):
        raise ValueError(f"`std`, the prior standard deviation, must be positive and finite, got {std}.")


class Exp(AbstractLaw):
    """exp of a law: a positive function whose logarithm is modelled."""

    exponent: AbstractLaw = eqx.field(converter=as_law)

    def __call__(self, c):
        return jnp.exp(self.exponent(c))

    @property
    def uniform(self):
        return self.exponent.uniform


def positive(value: float, factor: float) -> AbstractLaw:
    """An unknown positive number: ``value`` within a ``factor`` (one standard deviation of the log-normal prior).

    Raises
    ------
    ValueError
        If ``value`` is not positive or ``factor`` not above one.
    """
    if not (value > 0 and factor > 1):
        raise ValueError(f"`positive` needs value > 0 and factor > 1, got value={value}, factor={factor}.")
    return Exp(Unknown(np.log(value), np.log(factor)))


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
        if not self.span[0] < self.span[1]:
            raise ValueError(f"`span` must be an increasing pair, got {self.span}.")
        _check_std(self.std)

    def __call__(self, c):
        n = np.arange(1, self.degree + 1)
        a = self.coordinates * jnp.asarray(self.std * np.sqrt(2 / (n * (n + 1))), self.coordinates.dtype)
        low, high = self.span

        def series(c):
            x = (2 * c - low - high) / (high - low)
            before, now, total = jnp.ones_like(x), x, a[0] * x
            for k in range(1, self.degree):  # Bonnet's recursion
                before, now = now, ((2 * k + 1) * x * now - k * before) / (k + 1)
                total = total + a[k] * now
            return total

        return _extended(series, c, low, high, LEVEL * (high - low))

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


class Spline(AbstractLaw):
    """Unknown cubic B-spline with zero mean over its control points and a random-walk prior.

    A spline is local: where no composition was visited its band stays as wide as the prior says.

    Parameters
    ----------
    knots
        Increasing compositions, at least four. Outside them the law goes on along its tangent.
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
        if len(self.knots) < 4 or (np.diff(self.knots) <= 0).any():
            raise ValueError(f"`knots` must be at least four increasing numbers, got {self.knots}.")
        _check_std(self.std)

    def __call__(self, c):
        walk = jnp.concatenate([jnp.zeros(1, self.coordinates.dtype), jnp.cumsum(self.coordinates)])
        control = (walk - walk.mean()) * float(self.std / np.sqrt(len(self.coordinates)))
        pieces = jnp.tensordot(control, jnp.asarray(_cubic_pieces(self.knots), control.dtype), 1)
        breaks = np.asarray(self.knots)

        def spline(x):
            piece = jnp.clip(jnp.searchsorted(breaks, x, method="compare_all") - 1, 0, len(breaks) - 2)
            d = x - jnp.asarray(breaks, x.dtype)[piece]
            c3, c2, c1, c0 = pieces[:, piece]
            return ((c3 * d + c2) * d + c1) * d + c0

        low, high = self.knots[0], self.knots[-1]
        return _extended(spline, c, low, high, LEVEL * (high - low))

    @property
    def uniform(self):
        return False


class IdealMixing(AbstractLaw):
    """Chemical potential of ideal mixing, ln(c / (1 - c)) in units of kT, tangent beyond ``EDGE`` of 0 and 1."""

    def __call__(self, c):
        return _extended(lambda s: jnp.log(s) - jnp.log1p(-s), c, EDGE, 1 - EDGE)

    @property
    def uniform(self):
        return False


class RegularSolution(AbstractLaw):
    """Chemical potential of a regular solution, ln(c / (1 - c)) + Ω (1 - 2c), in units of kT.

    Parameters
    ----------
    omega
        Interaction Ω: a number (known), or a law that is one number, such as ``Unknown(3.0, 0.5)``.
        Above 2 the solution separates into phases.
    """

    omega: AbstractLaw = eqx.field(converter=as_law)

    def __check_init__(self):
        check_uniform(self.omega, "omega")

    def __call__(self, c):
        return IdealMixing()(c) + self.omega(c) * (1 - 2 * c)

    @property
    def uniform(self):
        return False


class Degenerate(AbstractLaw):
    """Degenerate mobility s c (1 - c), held at its value ``EDGE`` away from 0 and 1 beyond.

    Parameters
    ----------
    scale
        s: a number (known), or a law such as ``positive(1.0, factor=3)`` or ``Exp(Legendre(2))``.
    """

    scale: AbstractLaw = eqx.field(converter=as_law)

    def __call__(self, c):
        s = jnp.clip(c, EDGE, 1 - EDGE)
        return self.scale(c) * s * (1 - s)

    @property
    def uniform(self):
        return False


class Frozen(AbstractLaw):
    """A law whose unknown numbers are now known; made by `freeze`."""

    structure: jax.tree_util.PyTreeDef = eqx.field(static=True)
    numbers: tuple[tuple[tuple[int, ...], tuple[float, ...]], ...] = eqx.field(static=True)

    def __call__(self, c):
        dtype = jnp.result_type(c)
        leaves = [jnp.asarray(np.reshape(values, shape), dtype) for shape, values in self.numbers]
        return jax.tree_util.tree_unflatten(self.structure, leaves)(c)

    @property
    def uniform(self):
        leaves = [np.reshape(values, shape) for shape, values in self.numbers]
        return jax.tree_util.tree_unflatten(self.structure, leaves).uniform


def freeze(law: AbstractLaw) -> AbstractLaw:
    """The same law with its present coefficients known, so that a fit leaves it alone."""
    leaves, structure = jax.tree_util.tree_flatten(as_law(law))
    return Frozen(structure, tuple((np.shape(x), tuple(np.ravel(x).tolist())) for x in leaves))


def check_uniform(law: AbstractLaw, name: str) -> None:
    """Refuse a law that varies with composition where the equation needs one number."""
    if not law.uniform:
        raise ValueError(
            f"`{name}` must be one number, known or unknown (3.0, Unknown(3.0, 0.5), positive(2e-3, factor=3)), "
            f"got {type(law).__name__}, which varies with composition."
        )
