"""Component maps from energy stacks or pairs of energies, and the lithium fraction with its variance."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ...domain import Domain
from ...movie import Movie
from .spectra import Spectra
from .unmix import unmix


class Components(eqx.Module):
    """Amounts of the components in every pixel at every time.

    Parameters
    ----------
    amounts
        In units of the reference spectra.
    covariance
        Of the amounts in one pixel.
    misfit
        χ² over degrees of freedom; far above one where the references do not explain the spectrum.
    times
        One for each map; energies play no part here.
    names, domain, units
        Of the components; of the movie.
    """

    amounts: Float[Array, "component time *space"]
    covariance: Float[Array, "component component time *space"]
    misfit: Float[Array, "time *space"]
    times: Float[Array, " time"]
    names: tuple[str, ...] = eqx.field(static=True)
    domain: Domain = eqx.field(static=True)
    units: tuple[str, str] = eqx.field(static=True)

    def movie(self, name: str) -> Movie:
        """The amount of one component as a movie, with its variance.

        Raises
        ------
        ValueError
            If there is no such component.
        """
        i = self._number(name)
        return Movie(
            self.amounts[i], self.times, self.domain, self.covariance[i, i], units=(*self.units, f"amount of {name}")
        )

    def _number(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(f"there is no component {name!r}; the components are {', '.join(self.names)}.")
        return self.names.index(name)


def _powers(degree: int | None, energies: np.ndarray) -> np.ndarray | None:
    if degree is None:
        return None
    if degree not in (0, 1):
        raise ValueError(f"`background` must be None, 0 (constant) or 1 (straight line), got {degree!r}.")
    middle, half = (energies.max() + energies.min()) / 2, max(np.ptp(energies) / 2, 1e-12)
    return np.stack([((energies - middle) / half) ** d for d in range(degree + 1)])


def _checked(density: Movie, name: str) -> Array:
    if density.channels_ndim or density.variance is None:
        raise ValueError(
            f"`{name}` must be a grey movie of optical density with a variance, got shape {density.frames.shape} "
            f"{'without variance' if density.variance is None else ''}; see `optical_density`."
        )
    return jnp.broadcast_to(density.variance, density.frames.shape)


def components(
    density: Movie, spectra: Spectra, *, background: int | None = 0, time: float = 0.0, bounded: bool = True
) -> Components:
    """Component maps of one energy stack, by non-negative least squares on reference spectra.

    Parameters
    ----------
    density
        Optical density along energy, with variance.
    spectra
        References that cover its energies.
    background
        Degree of a polynomial in energy of either sign that stands for what does not change at the edge: 0
        a constant, 1 a straight line, ``None`` nothing.
    time
        When the stack was taken.
    bounded
        Whether amounts are held at zero or above; see `two_energies`.

    Raises
    ------
    ValueError
        If the movie is no energy stack with variance, or the references do not fit.

    Notes
    -----
    Densities above about 2 are flattened by higher harmonics and stray light; mask them.

    References
    ----------
    C. L. Lawson and R. J. Hanson, Solving Least Squares Problems, SIAM (1995), doi:10.1137/1.9781611971217.
    """
    variance = _checked(density, "density")
    if density.axis != "energy":
        raise ValueError(
            f"`density` must run along energy, it runs along {density.axis}; use `two_energies` for movies."
        )
    energies = np.asarray(density.times, float)
    free = _powers(background, energies)
    found = _unmixed(density.domain, density.frames, variance, spectra.at(energies), free, bounded)
    amounts, covariance, misfit = found
    return _labelled(amounts[:, None], covariance[:, :, None], misfit[None], spectra.names, [time], density)


def two_energies(
    first: Movie, second: Movie, spectra: Spectra, energies: tuple[float, float], *, bounded: bool = True
) -> Components:
    """Component maps of two movies of one sample, each taken at one energy.

    For LiFePO4 the energies are 708.2 and 710.2 eV, where the two valences of iron absorb most.

    Parameters
    ----------
    first, second
        Movies of optical density, with variance, frame by frame of the same moment (the second is taken at the
        times of the first).
    spectra
        Two references that cover both energies.
    energies
        At which the movies were taken.
    bounded
        Whether amounts are held at zero or above, which makes better pictures. Noise about zero is then cut off on
        one side, and a law fitted to the lithium fraction is wrong by several standard deviations: for fits, leave
        amounts free.

    Raises
    ------
    ValueError
        If the movies do not match.

    Notes
    -----
    Two energies leave no freedom to notice a wrong reference or a background: subtract what does not belong to
    the edge first (`optical_density` of the pre-edge), and check with a full stack at the beginning and the end.
    """
    variances = [_checked(first, "first"), _checked(second, "second")]
    if first.frames.shape != second.frames.shape or first.domain != second.domain:
        raise ValueError(
            f"`first` and `second` must show the same pixels at the same moments, got shapes {first.frames.shape} and "
            f"{second.frames.shape}."
        )
    values = jnp.stack([first.frames, second.frames])
    at = spectra.at(np.asarray(energies, float))
    found = _unmixed(first.domain, values, jnp.stack(variances), at, None, bounded)
    amounts, covariance, misfit = found
    return _labelled(amounts, covariance, misfit, spectra.names, first.times, first)


def _unmixed(domain: Domain, values, variance, spectra: Spectra, free, bounded: bool):
    inside = jnp.asarray(domain.inside)
    # pixels outside have no spectrum; unit variance keeps their arithmetic finite
    values, variance = jnp.where(inside, values, 0.0), jnp.where(inside, variance, 1.0)
    if not (np.asarray(variance) > 0).all():
        raise ValueError("the variance of the optical density must be positive in every pixel inside.")
    rows = None if free is None else jnp.asarray(free, values.dtype)
    return unmix(values, variance, jnp.asarray(spectra.values, values.dtype), rows, bounded=bounded)


def _labelled(amounts, covariance, misfit, names, times, movie: Movie) -> Components:
    # the background comes after the components and is not kept
    kept = len(names)
    return Components(
        amounts[:kept],
        covariance[:kept, :kept],
        misfit,
        jnp.asarray(times, movie.frames.dtype),
        names,
        movie.domain,
        (movie.units[0], "s" if movie.axis == "energy" else movie.units[1]),
    )


def joined(parts: Sequence[Components]) -> Components:
    """Component maps of successive energy stacks as one, in the order of their times.

    Raises
    ------
    ValueError
        If they differ in components, domain or units, or there is none.
    """
    if not parts or len({(p.names, p.domain, p.units) for p in parts}) != 1:
        raise ValueError("`joined` needs component maps with the same components, domain and units.")
    return Components(
        jnp.concatenate([p.amounts for p in parts], 1),
        jnp.concatenate([p.covariance for p in parts], 2),
        jnp.concatenate([p.misfit for p in parts]),
        jnp.concatenate([p.times for p in parts]),
        parts[0].names,
        parts[0].domain,
        parts[0].units,
    )


def lithium_fraction(
    found: Components,
    lithiated: str = "LiFePO4",
    delithiated: str = "FePO4",
    *,
    inside: Bool[np.ndarray, "row column"] | None = None,
    least: float = 0.0,
) -> Movie:
    """Lithium fraction c = a / (a + b) of lithiated and delithiated phase, with its variance.

    Var c = (b² Var a + a² Var b − 2 a b Cov(a, b)) / (a + b)⁴.

    Parameters
    ----------
    found
        From `components` or `two_energies`.
    lithiated, delithiated
        Names of the two components.
    inside
        Particle mask; by default the pixels of the domain whose total never falls to ``least``.
    least
        Smallest total amount a + b of a pixel that counts.

    Returns
    -------
    Movie
        On a domain with that mask; zero outside.

    Raises
    ------
    ValueError
        If a component is missing, no pixel holds enough, or a pixel of ``inside`` holds nothing.

    Notes
    -----
    A ratio of noisy numbers: where the total is less than a few of its own standard deviations the variance is
    not to be trusted, and such pixels belong outside. A pixel holds the mean over the thickness.
    """
    i, j = found._number(lithiated), found._number(delithiated)
    a, b = found.amounts[i], found.amounts[j]
    total = a + b
    mask = found.domain.inside & np.asarray(jnp.all(total > least, 0)) if inside is None else np.asarray(inside, bool)
    if inside is not None and (mask.shape != found.domain.shape or bool(np.asarray(total <= 0)[:, mask].any())):
        raise ValueError(
            f"`inside` must be a mask of shape {found.domain.shape} of pixels that hold {lithiated} or "
            f"{delithiated} at all times; got shape {mask.shape}, or pixels without either."
        )
    if not mask.any():
        raise ValueError(f"no pixel holds more than {least:g} of {lithiated} and {delithiated}; lower `least`.")
    here = jnp.asarray(mask)
    safe = jnp.where(here, total, 1.0)
    spread = (
        b**2 * found.covariance[i, i] + a**2 * found.covariance[j, j] - 2 * a * b * found.covariance[i, j]
    ) / safe**4
    return Movie(
        jnp.where(here, a / safe, 0.0),
        found.times,
        Domain(found.domain.shape, found.domain.spacing, found.domain.boundary, mask),
        jnp.where(here, jnp.maximum(spread, 0.0), 0.0),
        units=(*found.units, "Li fraction"),
    )
