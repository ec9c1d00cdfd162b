"""The section of a report that shows which raw values the laws rest on."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from ..inference import Posterior, Problem
from . import figures
from .laws import Quantity
from .page import Picture, Section

# More maps than this would be a picture taller than a screen.
MOST = 3


def influence(
    posterior: Posterior, problem: Problem, quantities: Mapping[str, Quantity], c: float
) -> tuple[Section, ...]:
    """Maps of how far each raw value moves each law at composition ``c``; none where no such derivative was found."""
    if "influence" not in posterior.found:
        return ()
    rows = posterior.found["influence"]
    theta, rebuild = jax.flatten_util.ravel_pytree(posterior.best)
    at = jnp.asarray([c])
    maps = {}
    for name, quantity in list(quantities.items())[:MOST]:
        slope = jax.grad(lambda t, q=quantity: jnp.sum(q(rebuild(t), at)))(theta)
        maps[name] = jnp.tensordot(slope, rows, 1)
    picture = Picture(
        "influence",
        figures.png(figures.influence(maps, problem.data)),
        f"How far a raw value moves each law at c = {c:.3g}, through start states and fit: red values raise the law "
        "where they are higher, blue ones lower it. Where the maps are pale nothing is learnt of the law.",
    )
    said = (
        "The derivative of the fitted laws by every raw value. Its square times the noise variance, summed, is the "
        "variance that noise causes."
    )
    return (Section("Which pixels the laws rest on", (said,), pictures=(picture,)),)
