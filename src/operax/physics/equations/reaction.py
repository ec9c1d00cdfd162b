"""A reaction at every pixel under a voltage or a current programme.

    ∂c/∂t = k(x) R(c, η),    η = μ + v(t)

A current programme sets the mean rate over the pixels inside, and v is what fulfils it.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...domain import Domain
from ..kinetics import AbstractKinetics
from ..laws import AbstractLaw, as_law
from ..rate_field import AbstractField

# Farthest overpotential, in kT/e, at which a current is looked for; rates of that size exist in no host.
REACH = 200.0
MOST_ITERATIONS = 100


class Current(eqx.Module):
    """A current programme: how fast the mean composition is to change.

    Parameters
    ----------
    programme
        dc̄/dt, the mean rate over the pixels inside (and over the layers), per time; positive inserts. A number, or
        a law or function *of time*. A full charge or discharge in one hour (1 C) is 1 an hour.
    """

    programme: AbstractLaw = eqx.field(converter=as_law)


def as_drive(value) -> AbstractLaw | Current:
    """A drive from a `Current`, or a voltage from a law, number or function of time."""
    return value if isinstance(value, Current) else as_law(value)


def local_rate(field: AbstractField, c: Float[Array, "*space"], domain: Domain) -> Float[Array, "*space"]:
    """k(x) for every value of a state, zero outside the particles."""
    k = field().astype(c.dtype)
    if k.shape not in ((), domain.shape):
        raise ValueError(f"`rate_field` must have the domain's shape {domain.shape}, got {k.shape}.")
    k = jnp.where(jnp.asarray(domain.inside), k, 0).reshape(*domain.shape, *(1,) * (c.ndim - domain.ndim))
    return jnp.broadcast_to(k, c.shape)


def voltage_at(
    kinetics: AbstractKinetics,
    drive: AbstractLaw | Current,
    t: float | Float[Array, ""],
    c: Float[Array, "*space"],
    mu: Float[Array, "*space"],
    k: Float[Array, "*space"],
    domain: Domain,
) -> Float[Array, ""]:
    """v(t): the programme's, or what makes the mean of k R over the values inside the current."""
    t = jnp.asarray(t, c.dtype)
    if not isinstance(drive, Current):
        return drive(t)
    inside = domain.inside.sum() * (c.size // domain.inside.size)
    return balance(kinetics, c, mu, k / inside, drive.programme(t))


def balance(
    kinetics: AbstractKinetics,
    c: Float[Array, "*space"],
    mu: Float[Array, "*space"],
    weights: Float[Array, "*space"],
    current: Float[Array, ""],
) -> Float[Array, ""]:
    """The v at which Σ weights · R(c, μ + v) is the current; NaN where no voltage gives it.

    Its derivatives are those of the implicit function. The sum falls with v; Newton steps are taken on its inverse
    hyperbolic sine, which is nearly straight for exponential rates, inside a bracket that is halved where they
    leave it or go round in a circle: where one is not shorter than half of the one before.
    """

    def excess(v):
        return jnp.sum(weights * kinetics(c, mu + v)) - current

    def solve(excess, start):
        counted = weights > 0
        low = -jnp.max(jnp.where(counted, mu, -jnp.inf)) - REACH
        high = -jnp.min(jnp.where(counted, mu, jnp.inf)) + REACH

        def look(v):
            over, slope = jax.jvp(excess, (v,), (jnp.ones_like(v),))
            # what rounding of the rates and of v amounts to, in units of the precision
            size = jnp.sum(weights * jnp.abs(kinetics(c, mu + v))) + jnp.abs(current) + jnp.abs(slope)
            return over, slope, size

        scale = 2 * jnp.abs(look(start)[1])

        def unfinished(state):
            i, _, _, low, high, over, _, size = state
            rounding = 4 * jnp.finfo(c.dtype).eps
            wide = high - low > rounding * (1 + jnp.abs(low))
            return (i < MOST_ITERATIONS) & wide & (jnp.abs(over) > rounding * size)

        def step(state):
            i, v, before, low, high, over, slope, _ = state
            low, high = jnp.where(over > 0, v, low), jnp.where(over > 0, high, v)
            rate = over + current
            straight = (jnp.arcsinh(rate / scale) - jnp.arcsinh(current / scale)) * jnp.hypot(scale, rate)
            newton = v - straight / slope
            good = (newton > low) & (newton < high) & (jnp.abs(newton - v) < 0.5 * before)
            new = jnp.where(good, newton, 0.5 * (low + high))
            return i + 1, new, jnp.abs(new - v), low, high, *look(new)

        state = jax.lax.while_loop(unfinished, step, (0, start, high - low, low, high, *look(start)))
        _, v, _, _, _, over, _, size = state
        reached = jnp.abs(over) <= jnp.sqrt(jnp.finfo(c.dtype).eps) * size
        return jnp.where(reached, v, jnp.nan)

    start = -jnp.sum(jnp.where(weights > 0, mu, 0)) / jnp.sum(weights > 0)
    return jax.lax.custom_root(excess, start, solve, lambda linear, y: y / linear(jnp.ones_like(y)))


def slope_bound(
    kinetics: AbstractKinetics,
    drive: AbstractLaw | Current,
    field: AbstractField,
    t: Float[Array, " times"],
    c: Float[Array, "n *others"],
    mu: Float[Array, "n *others"],
) -> Float[Array, "n *others"]:
    """The largest −k ∂R/∂η that a run is likely to see at each composition, ``mu`` their homogeneous potentials.

    Away from interfaces η is that of the homogeneous state, under the voltage or for the mean current. Within one, μ
    is nearly even and lies between the peak and the valley of ``mu`` along the first axis, c rising along it. A
    bound over all η would be useless: too large a linear part freezes the pattern.
    """
    k = field().astype(c.dtype)
    summit = jax.lax.cummax(mu)
    deepest = jnp.argmax(summit - mu, axis=0, keepdims=True)
    peak, valley = jnp.take_along_axis(summit, deepest, 0), jnp.take_along_axis(mu, deepest, 0)
    if isinstance(drive, Current):
        programme = drive.programme(t) / jnp.mean(k)

        def needed(current):
            one = jnp.ones((1,), c.dtype)
            found = jax.vmap(lambda c: balance(kinetics, c * one, 0 * one, one, current))(c.ravel())
            return jnp.where(jnp.isnan(found), 0, found).reshape(c.shape)

        half = 0.5 * (peak - valley)
        lowest, highest = needed(jnp.max(programme)) - half, needed(jnp.min(programme)) + half
    else:
        voltages = drive(t)
        separates = peak > valley
        lowest = jnp.min(voltages) + jnp.where(separates, jnp.minimum(mu, valley), mu)
        highest = jnp.max(voltages) + jnp.where(separates, jnp.maximum(mu, peak), mu)

    def slope(share):
        eta = lowest + share * (highest - lowest)
        return -jax.jvp(lambda eta: kinetics(c, eta), (eta,), (jnp.ones_like(eta),))[1]

    return jnp.max(k) * jnp.max(jax.vmap(slope)(jnp.linspace(0, 1, 9, dtype=c.dtype)), 0)
