"""What an equation holds fixed at the ends of an axis: values and fluxes, as programmes in time."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..domain import Domain
from .laws import AbstractLaw, as_law
from .operators import End, open_ends


def _law(value) -> AbstractLaw | None:
    return None if value is None else as_law(value)


class Ends(eqx.Module):
    """What is fixed at the low and at the high end of one axis.

    Each is a number (known), a function of time (known), or a law of time with unknown coefficients, such as
    ``positive(0.3, factor=2)``. The domain's boundary says what it means:

    - ``"fixed-value"``: the composition at the end.
    - ``"fixed-flux"``: the inflow per area and time, composition times length per time. It is positive into the
      domain at both ends.

    Parameters
    ----------
    low, high
        At the low end (the first pixel) and at the high end; None where nothing is fixed.
    """

    low: AbstractLaw | None = eqx.field(default=None, converter=_law)
    high: AbstractLaw | None = eqx.field(default=None, converter=_law)


def as_ends(value) -> tuple[Ends | None, ...]:
    """One entry an axis, from `Ends` of the first axis, a tuple of them, or None.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    entries = () if value is None else (value,) if isinstance(value, Ends) else value
    if not isinstance(entries, tuple | list) or any(not isinstance(e, Ends | None) for e in entries):
        raise TypeError(
            "`ends` must be `Ends(low=..., high=...)`, or a tuple with one such (or None) for each axis, got "
            f"{value!r}."
        )
    return tuple(entries)


def at_ends(
    ends: tuple[Ends | None, ...], t: float | Float[Array, ""], domain: Domain, dtype: jnp.dtype
) -> dict[End, Float[Array, ""]]:
    """The fixed value or inflow of each open end of the domain at time ``t``.

    Raises
    ------
    ValueError
        If an end needs a value that is not given, or one is given that nothing needs.
    """
    if len(ends) > domain.ndim:
        raise ValueError(f"`ends` has {len(ends)} entries; the domain has the axes {domain.axes}, one entry each.")
    needed = {(end.axis, end.high): end for end in open_ends(domain)}
    found = {}
    for axis, name in enumerate(domain.axes):
        given = ends[axis] if axis < len(ends) else None
        for high, side in ((False, "low"), (True, "high")):
            law = None if given is None else getattr(given, side)
            end = needed.get((axis, high))
            if end is None and law is not None:
                raise ValueError(
                    f"`ends` fixes something at the {side} end of `{name}`, where the domain is "
                    f"{domain.ends[axis][high]!r}; leave it out, or make that end 'fixed-value' or 'fixed-flux'."
                )
            if end is not None:
                if law is None:
                    raise ValueError(
                        f"the {side} end of `{name}` is {end.kind!r} in the domain, but the equation fixes nothing "
                        f"there; give `ends=Ends({side}=...)`, as entry {axis} of a tuple if there are several axes."
                    )
                found[end] = law(jnp.asarray(t, dtype))
    return found
