"""From what an instrument recorded to a composition with variance: raw and denoised frames take the same way."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from .. import io, noise
from ..io.files import record
from ..io.recording import gaps
from ..modalities import neutron, optical, stxm
from ..movie import Movie
from .instruments import Area, Instrument, Moment, Neutron, Optical, Stxm

Noise = noise.Gaussian | noise.PoissonGaussian


@dataclass(frozen=True)
class Recorded:
    """What was recorded, cut as [prepare] says.

    Parameters
    ----------
    movies
        The frames that are used; two movies where an instrument needs two.
    noises
        Noise of one value of each, ``None`` where it cannot be known.
    whole
        The first movie before frames were picked.
    corner
        Row and column of the file at which the cut begins.
    """

    movies: tuple[Movie, ...]
    noises: tuple[Noise | None, ...]
    whole: Movie
    corner: tuple[int, int]

    def mask(self, area: Area, name: str) -> np.ndarray:
        """The pixels of an area of the file.

        Raises
        ------
        ValueError
            If it does not lie in what was kept.
        """
        shape = self.whole.domain.shape
        spans = [(a - c, b - c) for (a, b), c in zip((area.rows, area.columns), self.corner)]
        if len(shape) != 2 or any(not 0 <= a < b <= n for (a, b), n in zip(spans, shape)):
            kept = [f"[{c}, {c + n})" for c, n in zip(self.corner, shape)]
            raise ValueError(
                f"`{name}` must lie in what [prepare] keeps, rows {kept[0]} and columns {kept[-1]}; got rows "
                f"{area.rows} and columns {area.columns}."
            )
        found = np.zeros(shape, bool)
        found[tuple(slice(a, b) for a, b in spans)] = True
        return found


def composition(part: Instrument, raw: Recorded, clean: Recorded | None, *, key) -> tuple[Movie, Movie | None]:
    """Composition movies of the raw and of the denoised frames, on one mask.

    Parameters
    ----------
    part
        What the config says of the instrument.
    raw, clean
        What was recorded, and the same denoised.
    key
        For what is learnt.

    Raises
    ------
    ValueError
        If frames and config do not fit.
    """
    if isinstance(part, Stxm):
        return _stxm(part, raw, clean)
    reduced = _neutron(part, raw) if isinstance(part, Neutron) else _optical(part, raw, clean or raw, key)
    return reduced(raw), None if clean is None else reduced(clean)


def _stxm(part: Stxm, raw: Recorded, clean: Recorded | None):
    fluxes = []
    for movie in raw.movies:
        if isinstance(part.flux, str):
            fluxes.append(stxm.read_incident(part.flux, movie))
        else:
            region = stxm.empty_pixels(movie) if part.flux is None else raw.mask(part.flux, "flux")
            fluxes.append(stxm.incident(movie, region))
    spectra = stxm.read_spectra(part.spectra)

    def components(found: Recorded) -> stxm.Components:
        densities = []
        for movie, flux, model in zip(found.movies, fluxes, found.noises):
            if model is None and movie.variance is None:
                raise ValueError("the noise of the counts is not known; give a table [noise].")
            density = stxm.optical_density(movie.replace(variance=None), flux, model)
            densities.append(density.replace(frames=density.frames - part.before))
        if part.energies is None:
            if densities[0].axis != "energy":
                raise ValueError(
                    f"[stxm] needs an energy stack, or `second` and `energies` for two movies; this movie runs along "
                    f"{densities[0].axis}."
                )
            degree = {"none": None, "constant": 0, "line": 1}[part.background]
            return stxm.components(densities[0], spectra, background=degree, bounded=False)
        first, second = densities
        # Bounded amounts cut noise off on one side, which biases laws.
        return stxm.two_energies(first, second, spectra, (part.energies[0], part.energies[1]), bounded=False)

    found = [components(version) for version in (raw, clean) if version is not None]
    inside = np.asarray(found[0].domain.inside)
    for one in found:
        pair = [one.names.index(name) for name in (part.lithiated, part.delithiated)]
        inside = inside & np.asarray((one.amounts[pair[0]] + one.amounts[pair[1]] > part.least).all(0))
    if not inside.any():
        raise ValueError(
            f"no pixel holds more than {part.least:g} of {part.lithiated} and {part.delithiated} in every frame."
        )
    movies = [stxm.lithium_fraction(one, part.lithiated, part.delithiated, inside=inside) for one in found]
    if part.lithiated != "LiFePO4":
        movies = [movie.replace(units=(*movie.units[:2], f"share of {part.lithiated}")) for movie in movies]
    return movies[0], movies[1] if clean is not None else None


def _neutron(part: Neutron, raw: Recorded):
    like = raw.movies[0]
    beams = [None if path is None else _like(path, like, raw) for path in (part.open_beam, part.dark)]
    empty = None if part.empty is None else raw.mask(part.empty, "empty")
    if part.spots is not None:
        beams = [None if m is None else neutron.remove_spots(m, threshold=part.spots) for m in beams]

    def depth(movie: Movie, model: Noise | None) -> Movie:
        if part.spots is not None:
            movie = neutron.remove_spots(movie, model, threshold=part.spots)
        if beams[0] is None:
            return movie
        # without a noise model every movie must state its variance, or the result has none
        seen = neutron.transmission(movie, beams[0], beams[1], empty=empty, noise=model)
        return neutron.optical_depth(seen)

    def reduced(found: Recorded) -> Movie:
        movie, model = found.movies[0], found.noises[0]
        if model is not None and movie.variance is None:
            movie = movie.replace(variance=model.variance(movie.frames))
        result = depth(movie, model)
        if part.reference is not None:
            state = _state(part.reference, raw)
            level = depth(state, model)
            if beams[0] is None:
                result = neutron.water_content(result, reference=level)
            else:
                result = result.replace(
                    frames=result.frames - level.frames.mean(0), units=(*result.units[:2], "optical depth")
                )
        if part.element is not None and part.thickness is not None:
            barns = neutron.cross_section(part.element, part.wavelength)
            return neutron.concentration(result, part.thickness, cross_section=barns)
        if part.attenuation is None:
            return result
        variance = None if result.variance is None else result.variance / part.attenuation**2
        units = (*result.units[:2], "amount")
        return result.replace(frames=result.frames / part.attenuation, variance=variance, units=units)

    return reduced


def _state(stated: int | list[int] | Moment, raw: Recorded) -> Movie:
    """The frames that amounts are counted from, without variance: its noise is common to all frames."""
    whole = raw.whole.replace(variance=None)
    if isinstance(stated, Moment):
        if stated.frame >= len(whole):
            raise ValueError(f"`frame` of the reference must be one of {len(whole)} frames, got {stated.frame}.")
        level = whole.frames[stated.frame][jnp.asarray(raw.mask(stated, "reference"))].mean()
        return whole[:1].replace(frames=jnp.full((1, *whole.domain.shape), level))
    first, end = (stated, stated + 1) if isinstance(stated, int) else stated
    if not 0 <= first < end <= len(whole):
        raise ValueError(f"`reference` must be among the {len(whole)} frames of the file, got {stated}.")
    return whole[first:end]


def _fillers(path: str) -> dict:
    """What a file does not say, made up: where and when a reference was taken plays no part."""
    axes = io.info(path).axes
    framed = axes is None or {"time", "energy"} & set(axes)
    made_up = {"times": 1.0 if framed else [0.0], "spacing": 1.0, "units": ("px", "frame", "1")}
    given: dict = {}
    recording = record(path)
    while missing := [name for name, _ in gaps(recording, **given) if name in made_up and name not in given]:
        given[missing[0]] = made_up[missing[0]]
    return given


def _like(path: str, like: Movie, raw: Recorded) -> Movie:
    """A movie of the same view, cut in the same way."""
    movie = io.load(path, **_fillers(path))
    spans = tuple(slice(c, c + n) for c, n in zip(raw.corner, like.domain.shape))
    if movie.channels_ndim or movie.domain.ndim != 2 or any(s.stop > n for s, n in zip(spans, movie.domain.shape)):
        raise ValueError(
            f"{path}: must show the same pixels as the movie, one value each; got {movie.frames.shape[1:]}."
        )
    return movie.crop(*spans).replace(frames=movie.crop(*spans).frames.astype(like.frames.dtype))


def _optical(part: Optical, raw: Recorded, seen: Recorded, key):
    def light(movie: Movie) -> Movie:
        if not movie.channels_ndim:
            movie = movie.replace(
                frames=movie.frames[..., None], variance=None if movie.variance is None else movie.variance[..., None]
            )
        # a denoised frame may overshoot the range of the format by a hair
        clipped = movie.replace(frames=jnp.clip(movie.frames, 0, part.full))
        if part.coded == "srgb":
            return optical.linear(clipped, full=part.full)
        variance = None if movie.variance is None else movie.variance / part.full**2
        return clipped.replace(frames=clipped.frames / part.full, variance=variance, units=(*movie.units[:2], "1"))

    white = None
    if part.white is not None:
        pictures = light(_like(part.white, raw.movies[0], raw))
        white = pictures[:1].replace(frames=pictures.frames.mean(0, keepdims=True), variance=None)
    bare = None if part.ground is None else raw.mask(part.ground, "ground")

    def contrast(movie: Movie, model: Noise | None) -> Movie:
        if model is not None and movie.variance is None:
            movie = movie.replace(variance=jnp.broadcast_to(model.variance(movie.frames), movie.frames.shape))
        shown = light(movie)
        if white is not None:
            return optical.contrast(shown, white)
        assert bare is not None
        return optical.contrast(shown, optical.background(shown, bare, degree=0))

    phases = _phases(part, seen, contrast, key)
    lithium = jnp.asarray([phase.composition for phase in part.phases])
    precision = jnp.linalg.inv(phases.covariances)

    def composed(movie: Movie) -> tuple[jnp.ndarray, jnp.ndarray]:
        chances = optical.probabilities(phases, movie).frames
        value = chances @ lithium
        spread = jnp.maximum(chances @ lithium**2 - value**2, 0) + part.floor**2
        if movie.variance is not None:
            # of c = Σ p x with p the softmax of quadratic forms of the colour
            pull = -jnp.einsum("...kc,kcd->...kd", movie.frames[..., None, :] - phases.means, precision)
            weight = chances * (lithium - value[..., None])
            slope = jnp.einsum("...k,...kd->...d", weight, pull)
            spread = spread + (slope**2 * movie.variance).sum(-1)
        inside = jnp.asarray(movie.domain.inside)
        return jnp.where(inside, value, 0.0), jnp.where(inside, spread, 0.0)

    def reduced(found: Recorded) -> Movie:
        movie, model = found.movies[0], found.noises[0]
        # one frame after the other: every pixel takes the memory of some hundred numbers
        parts = [composed(contrast(movie[n : n + 1], model)) for n in range(len(movie))]
        frames, variance = (jnp.concatenate(kind) for kind in zip(*parts))
        units = (*movie.units[:2], "composition")
        return Movie(frames, movie.times, movie.domain, variance, units=units, reads=movie.reads)

    return reduced


def _phases(part: Optical, seen: Recorded, contrast, key) -> optical.Phases:
    colours = {phase.name: phase.colour for phase in part.phases}
    movie = seen.movies[0]
    count, channels = len(colours), movie.frames.shape[-1] if movie.channels_ndim else 1
    if channels != len(part.phases[0].colour):
        raise ValueError(f"`phases` have colours of {len(part.phases[0].colour)} channels, the movie {channels}.")
    if part.learn:
        return optical.learn(contrast(movie, seen.noises[0]), colours, key=key, spread=part.spread)
    scatter = jnp.broadcast_to(part.spread**2 * jnp.eye(channels), (count, channels, channels))
    return optical.Phases(jnp.asarray(list(colours.values())), scatter, jnp.full(count, 1 / count), tuple(colours))
