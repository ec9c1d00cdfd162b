"""Unknown numbers, and the exponential that keeps a law positive."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .extension import levelled
from .law import AbstractLaw, as_law


def check_std(std: float) -> None:
    """Refuse a prior standard deviation that is none."""
    if not (np.isfinite(std) and std > 0):
        raise ValueError(f"`std`, the prior standard deviation, must be positive and finite, got {std}.")


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
        check_std(self.std)

    def __call__(self, c):
        return jnp.broadcast_to(self.mean + self.std * self.coordinate, jnp.shape(c)).astype(jnp.result_type(c))

    @property
    def uniform(self):
        return True


class Exp(AbstractLaw):
    """exp of a law: a positive function whose logarithm is modelled.

    Where the result would near the largest number of the precision in use, the exponent levels off, so that
    neither it nor the product of two overflows: from 39 in float32, 312 in float64.
    """

    exponent: AbstractLaw = eqx.field(converter=as_law)

    def __call__(self, c):
        x = self.exponent(c)
        # two halves of the range for a product of two, a tenth of each for slopes
        top = 0.44 * float(np.log(jnp.finfo(x.dtype).max))
        return jnp.exp(levelled(x, -np.inf, top, 0.5))

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
