"""A rate that varies from place to place: k(x), known pixel by pixel or unknown on the particle's own modes."""

import abc
from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..domain import Domain
from .transforms import smooth_modes


class AbstractField(eqx.Module):
    """A positive factor at every pixel."""

    @abc.abstractmethod
    def __call__(self) -> Float[Array, "*space"]:
        """The factor k(x), one number or one a pixel."""


class KnownField(AbstractField):
    """A factor known at every pixel; made by `as_field` from a number or an array."""

    shape: tuple[int, ...] = eqx.field(static=True)
    bits: bytes = eqx.field(static=True, repr=False)  # by value, so that equal fields compile once

    def __call__(self):
        return jnp.asarray(np.frombuffer(self.bits).reshape(self.shape), dtype=float)


class RateField(AbstractField):
    """An unknown factor k(x) = exp(Σᵢ θᵢ φᵢ(x)) on the smoothest eigenmodes φᵢ of the particle.

    The φᵢ are those of the Laplacian between the pixels inside, with no flux through the particle's rim, the
    constant left out: the mean of log k over the inside is zero, because the level of the rate is the kinetics'.

    Parameters
    ----------
    domain
        Where the field lies; that of the run.
    modes
        Number of modes. Several particles have their relative levels among them.
    std
        Prior standard deviation of log k, root mean square over the inside.
    length
        Correlation length ℓ, in the domain's unit of length: the prior standard deviation of θᵢ falls with the
        wavenumber kᵢ of its mode as 1/(1 + (kᵢ ℓ)²). ``None`` takes that of the smoothest mode that is not
        constant, 1/k₁, the size of the particle over π.

    Raises
    ------
    ValueError
        If there are not so many modes, or ``std`` or ``length`` is not positive.

    References
    ----------
    T. Bui-Thanh et al., SIAM J. Sci. Comput. 35, A2494 (2013), doi:10.1137/12089586X, for the prior.
    """

    domain: Domain = eqx.field(static=True)
    modes: int = eqx.field(static=True)
    std: float = eqx.field(static=True)
    length: float | None = eqx.field(static=True)
    coordinates: Float[Array, " modes"]

    def __init__(self, domain: Domain, modes: int, std: float, *, length: float | None = None):
        self.domain, self.modes, self.std, self.length = domain, modes, std, length
        self.coordinates = jnp.zeros(max(int(modes), 0))

    def __check_init__(self):
        most = int(self.domain.inside.sum()) - 1
        if not (isinstance(self.modes, int) and 1 <= self.modes <= most):
            raise ValueError(
                f"`modes` must be an integer from 1 to {most}, one less than the pixels inside; got {self.modes!r}."
            )
        if not self.std > 0:
            raise ValueError(f"`std`, the prior standard deviation of log k, must be positive, got {self.std}.")
        if self.length is not None and not self.length > 0:
            raise ValueError(f"`length`, the correlation length, must be positive, got {self.length}.")

    def __call__(self):
        waves, k = _modes(self.domain, self.modes)
        length = 1 / k[k > 0].min(initial=np.inf) if self.length is None else self.length
        weights = 1 / (1 + (k * length) ** 2)
        scaled = self.coordinates * jnp.asarray(self.std * weights / np.linalg.norm(weights), self.coordinates.dtype)
        return jnp.exp(jnp.tensordot(scaled, jnp.asarray(waves, scaled.dtype), 1, precision="highest"))


def as_field(value) -> AbstractField:
    """A field from a field, a number or an array with one number a pixel (known).

    Raises
    ------
    TypeError
        If ``value`` is none of these.
    ValueError
        If a number is not positive and finite.
    """
    if isinstance(value, AbstractField):
        return value
    if isinstance(value, jax.core.Tracer) or not np.issubdtype(np.asarray(value).dtype, np.number):
        kind = type(value).__name__
        raise TypeError(f"`rate_field` must be a `RateField`, a number or an array of the domain's shape, got {kind}.")
    array = np.asarray(value, dtype=float)
    if not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(
            f"`rate_field` must be positive and finite at every pixel, got values from {array.min()} to {array.max()}."
        )
    return KnownField(array.shape, array.tobytes())


@lru_cache(maxsize=16)
def _modes(domain: Domain, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` smoothest modes of zero mean and mean square one over the inside, and their wavenumbers."""
    inside = domain.inside
    longest = np.pi / max(n * h for n, h in zip(domain.shape, domain.spacing))
    largest = 2 * longest
    waves, k = smooth_modes(domain, largest)
    while len(k) <= count:
        largest *= 2
        waves, k = smooth_modes(domain, largest)
    # those that are even in each particle have an eigenvalue of zero but for rounding
    level = k < 1e-3 * longest
    flat = waves[level][:, inside]
    _, size, contrasts = np.linalg.svd(flat - flat.mean(1, keepdims=True), full_matrices=False)
    between = np.zeros((int((size > 1e-6 * np.sqrt(inside.sum())).sum()), *domain.shape))
    between[:, inside] = contrasts[: len(between)] * np.sqrt(inside.sum())
    order = np.argsort(k[~level], kind="stable")
    waves = np.concatenate([between, waves[~level][order]])[:count]
    return waves, np.concatenate([np.zeros(len(between)), k[~level][order]])[:count]
