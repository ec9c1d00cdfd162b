"""Reaction and diffusion of any number of species, with a reaction written by the user."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..laws import AbstractLaw, as_law
from ..operators import divergence_of_flux
from .interface import AbstractEquation, check_closed


class KnownReaction(eqx.Module):
    """A reaction without unknown numbers; made from a function, which is held by identity."""

    function: Callable = eqx.field(static=True)

    def __call__(self, t: Float[Array, ""], c: Float[Array, "*space"]) -> Float[Array, "*space"]:
        return self.function(t, c)


def _as_reaction(value):
    if not callable(value):
        raise TypeError(f"`reaction` must be a function of time and state, got {type(value).__name__}.")
    return value if isinstance(value, eqx.Module) else KnownReaction(value)


class ReactionDiffusion(AbstractEquation):
    """Species that diffuse each by itself and react with each other.

        ∂cᵢ/∂t = ∇·( Dᵢ(cᵢ) ∇cᵢ ) + fᵢ(t, c)

    Parameters
    ----------
    diffusivities
        Dᵢ in length² per time, one for each species: laws, numbers or functions; positive.
    reaction
        f(t, c), per time. For several species ``c`` and the result have them as the last axis; for one, the shape
        of the domain. A plain function is known; an `eqx.Module` with ``__call__(self, t, c)`` may hold laws, whose
        unknown numbers are then unknowns of the equation.

    Raises
    ------
    TypeError
        If the reaction is not a function.
    ValueError
        If no diffusivity is given.

    Notes
    -----
    Steps are implicit in diffusion alone: a reaction much faster than what is seen needs small steps.
    """

    diffusivities: tuple[AbstractLaw, ...] = eqx.field(converter=lambda laws: tuple(as_law(law) for law in laws))
    reaction: Callable = eqx.field(converter=_as_reaction)

    def __check_init__(self):
        if not self.diffusivities:
            raise ValueError("`diffusivities` must hold one law or number for each species, got none.")

    @property
    def fields(self):
        return len(self.diffusivities)

    def rate(self, t, c, domain):
        check_closed(domain)
        species = [c] if self.fields == 1 else [c[..., i] for i in range(self.fields)]
        spread = [divergence_of_flux(D(u), u, domain) for D, u in zip(self.diffusivities, species)]
        made = self.reaction(jnp.asarray(t, c.dtype), c)
        inside = domain.inside.reshape(*domain.shape, *(1,) * (c.ndim - domain.ndim))
        return (spread[0] if self.fields == 1 else jnp.stack(spread, -1)) + jnp.where(jnp.asarray(inside), made, 0)

    def stiffness(self, t, c):
        del t
        spread = [D(c) for D in self.diffusivities]
        a2 = spread[0] if self.fields == 1 else jnp.stack(spread, -1)
        return a2, jnp.zeros_like(a2)

    @property
    def local(self):
        return True
