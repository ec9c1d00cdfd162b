"""Optical density, component maps and lithium fraction come back with the scatter that noise causes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls

from operax import noise, synth
from operax.domain import Domain
from operax.io import load
from operax.modalities import stxm
from operax.movie import Movie

ENERGIES = np.r_[np.arange(700, 706, 1.0), np.arange(706, 714, 0.4), np.arange(714, 728, 1.0)]
SHAPE = (12, 14)
FLUX = 400 * (1 + 0.1 * np.sin(ENERGIES / 3))
RNG = np.random.default_rng(0)
LITHIUM = RNG.uniform(0.05, 0.95, SHAPE)
THICKNESS = np.where(np.arange(14) < 4, 0.0, 1.0) * np.ones(SHAPE)
SPECTRA = stxm.Spectra(ENERGIES, synth.iron_edge(ENERGIES), synth.IRON_PHASES)


def density():
    amounts = THICKNESS * np.stack([LITHIUM, 1 - LITHIUM])
    return np.einsum("ke,kyx->eyx", SPECTRA.values, amounts) + 0.3 * (THICKNESS > 0)


def stack(counts=None):
    clean = FLUX[:, None, None] * np.exp(-density())
    return Movie(
        clean if counts is None else counts, ENERGIES, Domain(SHAPE, 0.05), units=("um", "eV", "counts"), axis="energy"
    )


def test_two_valences_have_the_published_directions():
    od = synth.iron_edge(np.array([708.2, 710.2]))
    angles = np.degrees(np.arctan2(od[:, 1], od[:, 0]))
    np.testing.assert_allclose(angles, [27.5, 65.0], atol=1.5)
    grid = np.arange(700, 730, 0.05)
    peaks = grid[synth.iron_edge(grid).argmax(1)]
    np.testing.assert_allclose(peaks, [708.2, 710.2], atol=0.1)


def test_empty_pixels_and_flux_are_found():
    region = stxm.empty_pixels(stack(np.random.default_rng(1).poisson(stack().frames).astype(float)))
    assert (region == (THICKNESS == 0)).mean() > 0.97
    flux = stxm.incident(stack(), THICKNESS == 0)
    np.testing.assert_allclose(flux.intensity, FLUX, rtol=1e-12)
    np.testing.assert_allclose(flux.variance, 0, atol=1e-18)


def test_flux_error_bears_noise_that_is_correlated_along_rows():
    rng = np.random.default_rng(2)
    rows = 100 + rng.normal(size=(4000, 12, 1)) + 0 * np.ones(14)
    movie = Movie(rows, np.arange(4000), Domain(SHAPE))
    flux = stxm.incident(movie, np.ones(SHAPE, bool))
    np.testing.assert_allclose(flux.variance.mean(), flux.intensity.var(), rtol=0.1)


def test_flux_from_a_file(tmp_path):
    np.savetxt(tmp_path / "i0.txt", np.stack([ENERGIES[::-1], 2 * FLUX[::-1]], 1))
    flux = stxm.read_incident(tmp_path / "i0.txt", stack(), std=0.01)
    np.testing.assert_allclose(flux.intensity, 2 * FLUX)
    np.testing.assert_allclose(flux.variance, (0.02 * FLUX) ** 2)
    np.savetxt(tmp_path / "short.txt", np.stack([ENERGIES[5:], FLUX[5:]], 1))
    with pytest.raises(ValueError, match="covers 705 to 727, the stack needs 700 to 727"):
        stxm.read_incident(tmp_path / "short.txt", stack())
    (tmp_path / "words.txt").write_text("energy flux")
    with pytest.raises(ValueError, match="is no table of numbers"):
        stxm.read_incident(tmp_path / "words.txt", stack())


def test_density_has_the_variance_that_noise_causes():
    model = noise.PoissonGaussian(1.0)
    flux = stxm.Incident(FLUX, 0.0 * FLUX + 4.0)
    stated = stxm.optical_density(stack(), flux, model)
    np.testing.assert_allclose(stated.frames, density(), atol=1e-12)
    assert stated.units == ("um", "eV", "optical density")
    rng = np.random.default_rng(3)
    draws = []
    for _ in range(300):
        noisy = stack(rng.poisson(stack().frames).astype(float))
        shaken = stxm.Incident(FLUX + 2 * rng.normal(size=FLUX.shape), flux.variance)
        draws.append(np.asarray(stxm.optical_density(noisy, shaken, model).frames))
    # the variance of a logarithm exceeds its first order by about three halves of a relative variance
    np.testing.assert_allclose(np.mean(np.var(draws, 0) / stated.variance), 1, atol=0.03)


def test_least_squares_are_the_non_negative_ones_of_scipy():
    rng = np.random.default_rng(4)
    spectra = rng.uniform(size=(4, 9))
    values, sigma = rng.normal(0.2, 1, (9, 25)), rng.uniform(0.5, 2, (9, 25))
    amounts, _, misfit = stxm.unmix(values, sigma**2, spectra)
    for i in range(25):
        expected, norm = nnls(spectra.T / sigma[:, i : i + 1], values[:, i] / sigma[:, i])
        np.testing.assert_allclose(amounts[:, i], expected, atol=1e-10)
        np.testing.assert_allclose(misfit[i], norm**2 / 5, rtol=1e-9)


def test_amounts_left_free_have_no_bias_where_bounded_ones_have():
    rng = np.random.default_rng(4)
    spectra, sigma = SPECTRA.at((708.2, 710.2)).values, 0.1
    values = spectra.T @ [1.0, 0.0] + sigma * rng.normal(size=(4000, 2))
    free, covariance, _ = stxm.unmix(values.T, np.full((2, 4000), sigma**2), spectra, bounded=False)
    bounded, *_ = stxm.unmix(values.T, np.full((2, 4000), sigma**2), spectra)
    standard_error = np.sqrt(np.asarray(covariance)[1, 1, 0] / 4000)
    assert abs(free[1].mean()) < 4 * standard_error
    assert bounded[1].mean() > 10 * standard_error
    np.testing.assert_allclose(free[1].std(), standard_error * np.sqrt(4000), rtol=0.05)


def test_components_and_lithium_come_back_with_honest_bands():
    flux, model = stxm.Incident(FLUX, 0 * FLUX), noise.PoissonGaussian(1.0)
    inside = THICKNESS > 0

    @jax.jit
    def lithium(counts):
        movie = stack(counts)
        found = stxm.components(stxm.optical_density(movie, flux, model), SPECTRA, background=0)
        return found

    exact = stxm.lithium_fraction(stxm.components(stxm.optical_density(stack(), flux, model), SPECTRA), inside=inside)
    np.testing.assert_allclose(exact.frames[0][inside], LITHIUM[inside], atol=1e-9)
    assert exact.units == ("um", "s", "Li fraction")
    rng, z = np.random.default_rng(5), []
    for _ in range(40):
        noisy = stack(rng.poisson(stack().frames).astype(float))
        found = stxm.components(stxm.optical_density(noisy, flux, model), SPECTRA)
        c = stxm.lithium_fraction(found, inside=inside)
        z.append(((c.frames[0] - LITHIUM) / np.sqrt(c.variance[0] + (~inside)))[inside])
    z = np.concatenate(z)
    assert abs(z.mean()) < 0.1
    assert 0.9 < z.std() < 1.05
    assert np.mean(np.abs(z) < 1.96) > 0.94


def test_two_energies_are_enough_without_background():
    pair = (708.2, 710.2)
    od = np.einsum("ke,kyx->eyx", SPECTRA.at(pair).values, np.stack([LITHIUM, 1 - LITHIUM]))
    times = np.array([0.0, 2.0, 5.0])
    first, second = (Movie(np.stack([o] * 3), times, Domain(SHAPE), variance=1e-4, units=("um", "s", "1")) for o in od)
    found = stxm.two_energies(first, second, SPECTRA, pair)
    c = stxm.lithium_fraction(found)
    np.testing.assert_allclose(c.frames, np.stack([LITHIUM] * 3), atol=1e-9)
    np.testing.assert_array_equal(c.times, times)
    assert c.variance.shape == c.frames.shape
    np.testing.assert_allclose(found.movie("FePO4").frames[0], 1 - LITHIUM, atol=1e-9)
    with pytest.raises(ValueError, match="must show the same pixels at the same moments"):
        stxm.two_energies(first, second[:2], SPECTRA, pair)
    with pytest.raises(ValueError, match="there is no component 'Li'; the components are LiFePO4, FePO4"):
        stxm.lithium_fraction(found, "Li")


def test_stacks_of_several_times_become_one_movie():
    od = Movie(density(), ENERGIES, Domain(SHAPE), variance=1e-4, axis="energy")
    maps = [stxm.components(od, SPECTRA, time=t) for t in (0.0, 60.0)]
    movie = stxm.lithium_fraction(stxm.joined(maps), least=0.5)
    np.testing.assert_array_equal(movie.times, [0, 60])
    np.testing.assert_array_equal(movie.domain.inside, THICKNESS > 0)
    with pytest.raises(ValueError, match="same components, domain and units"):
        stxm.joined([])
    with pytest.raises(ValueError, match="no pixel holds more than 9"):
        stxm.lithium_fraction(maps[0], least=9.0)
    with pytest.raises(ValueError, match="pixels without either"):
        stxm.lithium_fraction(maps[0], inside=np.ones(SHAPE, bool)) if (
            np.asarray(maps[0].amounts).sum(0).min() <= 0
        ) else stxm.lithium_fraction(maps[0], inside=np.ones((2, 2), bool))


def test_uniformity_of_solid_solution_and_of_separation():
    domain = Domain((8, 8))
    mean = np.array([0.2, 0.5, 0.8])
    even = Movie(mean[:, None, None] * np.ones((3, 8, 8)), np.arange(3), domain)
    assert stxm.uniformity(even) == pytest.approx(1)
    split = (np.arange(64).reshape(8, 8) < 64 * np.round(mean * 64)[:, None, None] / 64).astype(float)
    assert stxm.uniformity(Movie(split, np.arange(3), domain)) == pytest.approx(0, abs=1e-9)
    noisy = even.replace(frames=even.frames + 0.1 * np.random.default_rng(6).normal(size=(3, 8, 8)), variance=0.01)
    assert stxm.uniformity(noisy) > 0.9
    with pytest.raises(ValueError, match="must have mean fractions from 0 to 1"):
        stxm.uniformity(even.replace(frames=2 * even.frames))


def test_structure_factor_finds_the_wavelength_and_forgets_white_noise():
    domain = Domain((64, 64), 0.1)
    x = domain.centres()[1]
    wave = 0.5 + 0.3 * np.cos(2 * np.pi * x / 0.8) * np.ones((2, 64, 1))
    found = stxm.structure_factor(Movie(wave, [0, 1], domain))
    np.testing.assert_allclose(found.length, 0.8, rtol=0.06)
    noisy = Movie(0.5 + 0.2 * np.random.default_rng(7).normal(size=(20, 64, 64)), np.arange(20), domain)
    plain, cleared = stxm.structure_factor(noisy), stxm.structure_factor(noisy.replace(variance=0.04))
    np.testing.assert_allclose(plain.power.mean(), 0.04 * 0.01, rtol=0.03)
    assert abs(cleared.power.mean()) < 0.03 * 0.04 * 0.01


def test_domain_sizes():
    frame = np.zeros((20, 20))
    frame[2:6, 2:6] = frame[10:12, 10:12] = 1
    (sizes,) = stxm.domain_sizes(Movie(frame[None], [0], Domain((20, 20), 0.5)))
    np.testing.assert_allclose(sizes, np.sqrt(4 * np.array([16, 4]) * 0.25 / np.pi))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stxm.incident(stack(), np.ones((2, 2), bool)), "`region` must have the movie's shape"),
        (
            lambda: stxm.incident(stack(), np.eye(12, 14, dtype=bool) & (np.arange(12) < 1)[:, None]),
            "at least two rows",
        ),
        (lambda: stxm.empty_pixels(stack(), width=2), "`width` must lie between 0 and 1, got 2"),
        (lambda: stxm.Incident(0 * FLUX, FLUX), "must be positive and its `variance` not negative"),
        (lambda: stxm.optical_density(stack(), stxm.Incident(FLUX[:3], FLUX[:3])), "one value for each of 40 frames"),
        (
            lambda: stxm.optical_density(stack(0 * density()), stxm.Incident(FLUX, FLUX)),
            "the logarithm needs positive counts; 6720 values are zero or negative",
        ),
        (lambda: stxm.components(stack(), SPECTRA), "with a variance"),
        (lambda: stxm.components(stack().replace(variance=1.0), SPECTRA, background=2), "`background` must be None, 0"),
        (
            lambda: stxm.components(stack().replace(variance=1.0, axis="time"), SPECTRA),
            "must run along energy, it runs along time",
        ),
        (lambda: SPECTRA.at([690.0]), "the spectrum of LiFePO4: covers 700 to 727, the stack needs 690 to 690"),
        (lambda: stxm.Spectra([1, 2], [[1, 2]], ("a", "b")), "one row for each of the different names"),
        (lambda: stxm.Spectra([2, 1], [[1, 2]], ("a",)), "`energies` must increase"),
        (lambda: stxm.unmix(np.ones((3, 1)), np.ones((3, 1)), np.ones((2, 3))), "must be linearly independent"),
        (
            lambda: stxm.unmix(np.ones((3, 1)), np.ones((3, 1)), np.eye(3)[:, :2]),
            "one value for each of the 3 energies",
        ),
        (lambda: stxm.unmix(np.ones((1, 1)), np.ones((1, 1)), np.ones((2, 1))), "cannot be found from 1 energies"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_real_stack_from_zip_to_maps(real):
    folder = real("stxm_fe_l23_als")
    raw = load(folder / "71214078_raw.zip")
    assert (raw.frames.shape, raw.units, raw.axis) == ((123, 125, 125), ("um", "eV", "counts"), "energy")
    np.testing.assert_allclose(raw.domain.spacing, 0.08)
    np.testing.assert_allclose(raw.times, np.loadtxt(folder / "energy.txt"), atol=1e-3)
    # the flux measured in the picture is that of the shipped file but for the scale
    region = stxm.incident(raw, stxm.empty_pixels(raw))
    shipped = stxm.read_incident(folder / "i0.xsp", raw)
    ratio = shipped.intensity / region.intensity
    assert float(ratio.std() / ratio.mean()) < 0.002
    od = stxm.optical_density(raw, region, noise.estimate(raw))
    spectra = stxm.read_spectra({"reduced": folder / "reduced.t", "oxidized": folder / "oxidized.t"})
    found = stxm.components(od, spectra, background=1)
    np.testing.assert_allclose(jnp.median(found.misfit), 1, atol=0.2)
    # where one component rules, the pixel spectrum is the shipped one, with its peak
    reduced, oxidised = found.amounts[:, 0]
    before = od.frames[:15].mean(0)
    for own, other, row in ((reduced, oxidised, 0), (oxidised, reduced, 1)):
        rules = np.asarray((own > 0.3) & (other < 0.1 * own) & (before < 1.2))
        assert rules.sum() > 20
        mean = np.asarray(od.frames)[:, rules].mean(1)
        shipped = spectra.at(raw.times).values[row]
        assert np.corrcoef(mean, shipped)[0, 1] > 0.95
        assert abs(raw.times[mean.argmax()] - raw.times[shipped.argmax()]) < 0.5
