"""What a law is: a function of composition that adds and multiplies, known or with unknown coefficients.

The leaves of a law are its unknown numbers in standard-normal coordinates: the constructor states the prior in
physical terms, and every leaf starts at zero, the prior's centre. A law given by numbers alone has no leaves.
Laws take an array of compositions and return an array of the same shape.
"""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .extension import check_span, extended


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


def as_law(value: AbstractLaw | Callable | float) -> AbstractLaw:
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


class Sum(AbstractLaw):
    """The sum of two laws, ``first`` and ``second``; ``+`` makes it."""

    first: AbstractLaw
    second: AbstractLaw

    def __call__(self, c):
        return self.first(c) + self.second(c)

    @property
    def uniform(self):
        return self.first.uniform and self.second.uniform


class Product(AbstractLaw):
    """The product of two laws, ``first`` and ``second``; ``*`` makes it."""

    first: AbstractLaw
    second: AbstractLaw

    def __call__(self, c):
        return self.first(c) * self.second(c)

    @property
    def uniform(self):
        return self.first.uniform and self.second.uniform


class Constant(AbstractLaw):
    """A known number, ``value`` at every composition."""

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

    Parameters
    ----------
    function
        Acts on arrays. It is held by identity: a fresh lambda for every call compiles every time anew.
    span
        Range of compositions where ``function`` holds; beyond it the law goes on along its tangent. Give it where
        the function has a logarithm or a root. ``None``: it holds everywhere.
    """

    function: Callable = eqx.field(static=True)
    span: tuple[float, float] | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.span is not None:
            check_span(self.span)

    def __call__(self, c):
        value = self.function(c) if self.span is None else extended(self.function, c, *self.span)
        return jnp.broadcast_to(value, jnp.shape(c))

    @property
    def uniform(self):
        return False


def derivative(law: Callable, c: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The derivative d``law``/dc at every composition in ``c``."""
    c = jnp.asarray(c)
    return jax.jvp(law, (c,), (jnp.ones_like(c),))[1]


def check_uniform(law: AbstractLaw, name: str) -> None:
    """Refuse a law that varies with composition where the equation needs one number, its argument ``name``.

    Raises
    ------
    ValueError
        If it varies.
    """
    if not law.uniform:
        raise ValueError(
            f"`{name}` must be one number, known or unknown (3.0, Unknown(3.0, 0.5), positive(2e-3, factor=3)), "
            f"got {type(law).__name__}, which varies with composition."
        )
