"""What can be checked of a run without knowing the solution: content, energy, range, accuracy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..domain import Domain
from ..movie import Movie
from .adaptive import Integration
from .equations import AbstractEquation, AbstractPhaseField
from .pilot import choose_plan
from .plan import trajectory
from .transforms import transform

# Rounding of sums over a whole run, in units of the precision.
ROUNDING = 1e4
# Energies are integrals of μ by a rule with nodes: changes below this part of their whole change are its error.
QUADRATURE = 1e-6


class Diagnosis(eqx.Module):
    """What was found in a run; ``print`` it for a summary.

    Parameters
    ----------
    content
        ∫ c over the particles at every frame, by field.
    closed
        Whether the equation exchanges nothing with the outside at any frame: then ``drift`` is an error.
    drift
        Largest change of the content, relative to ∫ |c|.
    energy
        Free energy at every frame; None where the equation has none.
    falling
        Whether at every frame the equation's own rate lowers the energy: then every rise is an error.
    rises
        Number of intervals between frames over which the energy rose.
    span
        The compositions that the laws are made for.
    outside
        Number of values, pixels times frames, outside ``span``.
    error
        Root-mean-square distance of the worst frame from a run with steps halved until they no longer matter,
        relative to the spread of the composition; infinite where no such run is found.
    rejected
        Number of rejected steps of an adaptive run, otherwise None.
    """

    content: Float[Array, "time *fields"]
    closed: bool = eqx.field(static=True)
    drift: float = eqx.field(static=True)
    energy: Float[Array, " time"] | None
    falling: bool = eqx.field(static=True)
    rises: int = eqx.field(static=True)
    span: tuple[float, float] = eqx.field(static=True)
    outside: int = eqx.field(static=True)
    error: float = eqx.field(static=True)
    rejected: int | None = eqx.field(static=True)

    def __str__(self):
        lines = [
            f"content  changes by {self.drift:.1e}" + (", and should not" if self.closed else "; the system is open"),
            f"range    {self.outside} values outside of {self.span[0]:g} to {self.span[1]:g}",
            f"error    {self.error:.1e} of the spread, by halving the steps",
        ]
        if self.energy is not None:
            verdict = ", and should not" if self.falling else "; the system is driven"
            lines.insert(1, f"energy   rises over {self.rises} of {len(self.energy) - 1} intervals{verdict}")
        if self.rejected is not None:
            lines.append(f"steps    {self.rejected} rejected")
        return "\n".join(lines)


def diagnose(
    run: Movie | Integration,
    equation: AbstractEquation,
    *,
    span: tuple[float, float] = (0.0, 1.0),
    tolerance: float = 1e-5,
) -> Diagnosis:
    """Check a run of an equation: is content kept, does the energy fall, are compositions in range, how exact is it.

    Parameters
    ----------
    run
        What `simulate` or `integrate` gave.
    equation
        What it is a solution of.
    span
        The lowest and the highest composition that the laws are made for.
    tolerance
        The error is judged against a run of this error, so it is known no better. Costs a few runs.

    Returns
    -------
    Diagnosis

    Notes
    -----
    Content and energy are compared at the frames: what happens between them is not seen. The energy is checked
    against the equation's own d(energy)/dt at the frames, so nothing is assumed of ends, sources and drives.
    """
    movie, rejected = (run.movie, int(run.rejected)) if isinstance(run, Integration) else (run, None)
    c, times, domain = movie.frames, movie.times, movie.domain
    inside = c[:, domain.inside]
    content = inside.sum(1) * domain.pixel_volume
    scale = float(jnp.abs(inside).sum(1).max()) * domain.pixel_volume or 1.0
    energy, falling, rises = None, False, 0
    if isinstance(equation, AbstractPhaseField):
        energy, slope = _energies(equation, c, times, domain)
        slack = QUADRATURE * float(jnp.ptp(energy)) + ROUNDING * float(_eps(c) * jnp.abs(energy).max())
        rises = int((jnp.diff(energy) > slack).sum())
        falling = bool((slope * (times[-1] - times[0]) <= slack).all())
    return Diagnosis(
        content,
        keeps_content(equation, c, times, domain),
        float(jnp.abs(content - content[0]).max()) / scale,
        energy,
        falling,
        rises,
        span,
        int(((inside < span[0]) | (inside > span[1])).sum()),
        _error(equation, c, times, domain, tolerance),
        rejected,
    )


def keeps_content(
    equation: AbstractEquation, c: Float[Array, "time *space"], times: Float[Array, " time"], domain: Domain
) -> bool:
    """Whether the rates at all frames sum to nothing over the domain, to rounding."""
    rates = _rates(equation, c, times, domain)[:, domain.inside]
    net, gross = jnp.abs(rates.sum(1)), jnp.abs(rates).sum(1)
    return bool((net <= ROUNDING * _eps(c) * gross).all())


def _eps(c):
    return float(jnp.finfo(c.dtype).eps)


@eqx.filter_jit
def _rates(equation, c, times, domain):
    return jax.lax.map(lambda frame: equation.rate(*frame, domain), (times.astype(c.dtype), c))


@eqx.filter_jit
def _energies(equation, c, times, domain):
    """Energy and d(energy)/dt along the equation's rate, at every frame."""

    def one(frame):
        t, c = frame
        return jax.jvp(lambda c: equation.energy(c, domain), (c,), (equation.rate(t, c, domain),))

    return jax.lax.map(one, (times.astype(c.dtype), c))


def _error(equation, c, times, domain, tolerance):
    times = np.asarray(times)  # type: ignore[assignment]
    try:
        plan = choose_plan(equation, c[0], times, domain, tolerance=tolerance)
    except RuntimeError:
        return float("inf")
    exact = eqx.filter_jit(trajectory)(equation, transform(domain), plan, c[0], times)[:, domain.inside]
    distance = jnp.sqrt(jnp.mean((c[:, domain.inside] - exact) ** 2, axis=tuple(range(1, exact.ndim))))
    return float(distance.max()) / (float(jnp.std(exact)) or 1.0)
