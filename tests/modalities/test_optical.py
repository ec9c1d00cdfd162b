"""Colour becomes phases with honest probabilities, particles with fractions, readings with bands."""

import json
import re

import imageio.v3 as imageio
import jax
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from operax import modalities as md
from operax.domain import Domain
from operax.modalities import optical
from operax.movie import Movie

ROW, COLUMN = np.mgrid[:32, :40]
DOMAIN = Domain((32, 40))
COLOURS = np.array([[-0.30, -0.30, -0.28], [0.10, -0.15, -0.25], [0.45, 0.20, -0.20]])
NAMES = ("dilute", "stage 2", "stage 1")
SEEDS = dict(zip(NAMES, COLOURS + 0.05))


def colour(frames, **more):
    return Movie(frames, np.arange(len(frames)), DOMAIN, units=("um", "s", "1"), **more)


def stages(count=3):
    return np.stack([np.clip((COLUMN + 8 * t) // 20, 0, 2) for t in range(count)])


def noisy(sigma, seed=0, count=3):
    clean = COLOURS[stages(count)]
    return colour(clean + sigma * np.random.default_rng(seed).normal(size=clean.shape))


def test_linear_light_undoes_the_gamma_of_srgb():
    coded = np.array([0, 10.31475, 127.5, 188, 255])
    light = optical.linear(Movie(coded[None, :, None] * np.ones(3), [0], Domain(5), variance=1.0))
    np.testing.assert_allclose(light.frames[0, :, 0], [0, 0.0031308, 0.21404, 0.50289, 1], atol=1e-4)
    step = 1e-3
    up = optical.linear(Movie((coded[1:4] + step)[None], [0], Domain(3))).frames
    down = optical.linear(Movie((coded[1:4] - step)[None], [0], Domain(3))).frames
    slope = np.asarray(up - down)[0, 1:] / (2 * step)
    np.testing.assert_allclose(light.variance[0, 2:4, 0], slope**2, rtol=1e-4)
    with pytest.raises(ValueError, match="expects values from 0 to 255, got 0 to 4095"):
        optical.linear(Movie(np.array([[0.0, 4095.0]]), [0], Domain(2)))


def test_contrast_forgets_lamp_and_vignetting():
    lamp = np.array([1.0, 0.8, 1.1])[:, None, None, None] * (
        1 - ((ROW - 16) ** 2 + (COLUMN - 20) ** 2)[..., None] / 4000
    )
    tint = np.array([0.5, 0.6, 0.4])
    particles = (ROW - 16) ** 2 + (COLUMN - 20) ** 2 < 64
    truth = np.where(particles[..., None], COLOURS[1], 0.0)
    seen = colour(lamp * tint * (1 + truth), variance=1e-4)
    ground = optical.background(seen, ~particles)
    np.testing.assert_allclose(optical.contrast(seen, ground).frames, np.stack([truth] * 3), atol=1e-12)
    white = colour((lamp * tint)[:1])
    np.testing.assert_allclose(optical.contrast(seen[:1], white).frames[0], truth, atol=1e-12)
    np.testing.assert_allclose(optical.absorbance(seen, ground).frames, np.stack([-np.log(1 + truth)] * 3), atol=1e-12)


def test_lab_of_known_colours():
    # red, white and mid grey of sRGB in linear light
    light = np.array([[1, 0, 0], [1, 1, 1], [0.21404, 0.21404, 0.21404]], float)
    found = optical.lab(Movie(light[None], [0], Domain(3))).frames[0]
    np.testing.assert_allclose(found, [[53.24, 80.09, 67.20], [100, 0, 0], [53.39, 0, 0]], atol=0.02)


def test_mixture_learns_the_colours_and_their_scatter():
    sigma = 0.08
    found = optical.learn(noisy(sigma), SEEDS, key=jax.random.key(0))
    assert found.names == NAMES
    np.testing.assert_allclose(found.means, COLOURS, atol=0.02)
    np.testing.assert_allclose(np.linalg.eigvalsh(found.covariances), sigma**2, rtol=0.25)
    chances = optical.probabilities(found, noisy(sigma, seed=1))
    np.testing.assert_allclose(chances.frames.sum(-1), 1, atol=1e-9)
    assert (np.asarray(chances.frames).argmax(-1) == stages()).mean() > 0.98


def test_probabilities_are_honest():
    # so noisy that one pixel in four is wrong; the mean of its own probability must say so
    exact = optical.Phases(COLOURS, np.stack([0.25**2 * np.eye(3)] * 3), np.bincount(stages().ravel()) / 3840, NAMES)
    chances = np.asarray(optical.probabilities(exact, noisy(0.25, seed=2)).frames)
    right = (chances.argmax(-1) == stages()).mean()
    assert 0.7 < right < 0.8
    np.testing.assert_allclose(chances.max(-1).mean(), right, atol=0.02)
    share = np.stack([(stages() == k).mean() for k in range(3)])
    np.testing.assert_allclose(chances.mean((0, 1, 2)), share, atol=0.015)


def test_threshold_mode():
    feature = Movie(np.array([[0.1, 0.4, 0.9]]), [0], Domain(3))
    np.testing.assert_array_equal(optical.by_threshold(feature, (0.3, 0.7)).frames[0], np.eye(3))
    soft = optical.by_threshold(feature.replace(frames=[[0.3, 0.5, 0.7]], variance=1e-4), (0.3, 0.7)).frames[0]
    np.testing.assert_allclose(soft, [[0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5]], atol=1e-6)


def test_fractions_and_state_of_charge_of_particles():
    labels = np.where(COLUMN < 20, 1, 7)
    exact = optical.by_threshold(colour(stages()[..., None].astype(float)[..., 0]), (0.5, 1.5))
    found = optical.fractions(exact, labels)
    assert found.particles == (1, 7)
    for t in range(3):
        for i, n in enumerate(found.particles):
            share = np.bincount(stages()[t][labels == n], minlength=3) / 640
            np.testing.assert_allclose(found.values[t, i], share, atol=1e-12)
    np.testing.assert_allclose(found.covariance, 0, atol=1e-12)
    charge, std = optical.state_of_charge(found, (0.1, 0.5, 1.0))
    np.testing.assert_allclose(charge[0], [0.1, 0.5])
    gone = optical.fractions(exact, np.stack([labels, labels, np.where(labels == 7, 0, labels)]))
    assert np.isnan(optical.state_of_charge(gone, (0.1, 0.5, 1.0))[0][2, 1])


def test_bands_cover_what_is_there():
    exact = optical.Phases(COLOURS, np.stack([0.25**2 * np.eye(3)] * 3), np.bincount(stages().ravel()) / 3840, NAMES)
    labels = 1 + (ROW // 4) * 10 + COLUMN // 4  # particles of 16 pixels
    # pixels drawn from the mixture itself, as the prior weights say
    rng = np.random.default_rng(3)
    drawn = rng.permuted(stages().ravel()).reshape(stages().shape)
    seen = colour(COLOURS[drawn] + 0.25 * rng.normal(size=(*drawn.shape, 3)))
    found, std = optical.state_of_charge(optical.fractions(optical.probabilities(exact, seen), labels), (0.1, 0.5, 1.0))
    real, _ = optical.state_of_charge(
        optical.fractions(optical.by_threshold(colour(drawn.astype(float)), (0.5, 1.5)), labels), (0.1, 0.5, 1.0)
    )
    z = np.asarray((found - real) / std)
    assert 0.85 < z.std() < 1.15


def test_calibration_is_monotone_and_its_band_covers():
    rng = np.random.default_rng(4)
    known = np.repeat([0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0], 5)

    def read(x):
        return np.tanh(2 * x) + 0.02 * rng.normal(size=np.shape(x))

    curve = optical.calibrate(known, read(known))
    assert (np.diff(curve(np.linspace(0, 1, 50))) >= 0).all()
    truth = rng.uniform(0.02, 0.6, 400)
    readings = read(truth)
    low, high = curve.band(readings)
    assert np.mean((low <= truth) & (truth <= high)) > 0.9
    assert np.abs(curve(readings) - truth).mean() < 0.03


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: optical.lab(noisy(0.1).replace(frames=np.zeros((3, 32, 40)))),
            r"needs 3 channels \(red, green, blue\)",
        ),
        (lambda: optical.background(noisy(0.1), np.zeros((32, 40), bool)), "at least 24 pixels for degree 2"),
        (
            lambda: optical.contrast(noisy(0.1), noisy(0.1).crop(slice(4), slice(4))),
            "`reference` must show the movie's",
        ),
        (lambda: optical.contrast(noisy(0.1), colour(-np.ones((3, 32, 40, 3)))), "`reference` must be positive"),
        (lambda: optical.absorbance(noisy(0.1), colour(np.ones((3, 32, 40, 3)))), "the logarithm needs positive light"),
        (lambda: optical.learn(noisy(0.1), {"one": (0, 0, 0)}, key=jax.random.key(0)), "at least two phases"),
        (lambda: optical.Phases(COLOURS, np.zeros((3, 3, 3)), np.ones(3) / 3, NAMES), "covariance positive definite"),
        (lambda: optical.Phases(COLOURS, np.zeros((3, 2, 2)), np.ones(3), NAMES), "which do not fit"),
        (lambda: optical.by_threshold(noisy(0.1), (0.1,)), "needs one feature a pixel"),
        (
            lambda: optical.by_threshold(Movie([[0.0]], [0], Domain(1)), (0.4, 0.2)),
            r"`limits` must be increasing numbers",
        ),
        (lambda: optical.fractions(noisy(0.1), np.zeros((3, 3), int)), "`labels` must number the pixels"),
        (lambda: optical.fractions(noisy(0.1), np.zeros((32, 40), int)), "numbers no particle"),
        (lambda: optical.fractions(noisy(0.1), np.ones((32, 40), int), together=0), "must be at least one pixel"),
        (lambda: optical.calibrate([0, 1, 2], [0, 1, 2]), "needs three fractions and repeats"),
        (lambda: optical.calibrate([0, 0, 1, 2], [2, 2, 1, 0]), "must rise with the fraction"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_real_micrograph_has_the_published_colours(real):
    folder = real("optical_graphene_flakes")
    published = json.loads((folder / "class_colours_graphene.json").read_text())
    means = np.array([[published[k]["contrast"][c] for c in "rgb"] for k in "12"])
    sigma = np.array([np.sqrt(np.diag(published[k]["covariance_matrix"]))[::-1] for k in "12"])
    picture = imageio.imread(next(folder.glob("*bf3ea93c.jpg")))[::2, ::2].astype(np.float32)
    seen = Movie(picture[None], [0], Domain(picture.shape[:2]))
    usual = np.array([np.bincount(c.astype(int).ravel()).argmax() for c in picture.reshape(-1, 3).T])
    # published contrasts are of values as the camera coded them
    ground = np.abs(picture / usual - 1).max(-1) < 0.08
    ground = np.abs(optical.contrast(seen, optical.background(seen, ground)).frames[0]).max(-1) < 0.05
    found = optical.contrast(seen, optical.background(seen, ground))
    values = np.asarray(found.frames[0])
    flakes = (values[..., 1] < -0.08) & (values[..., 1] > -0.32)
    # dust and thick graphite are coloured otherwise, edges are mixtures
    flakes &= (np.abs(values[..., 0] - values[..., 1]) < 0.08) & (np.abs(values[..., 2] - values[..., 1]) < 0.2)
    flakes &= ~binary_dilation(~flakes, iterations=2)
    masked = found.replace(domain=Domain(flakes.shape, inside=flakes))
    phases = optical.learn(masked, {"1": means[0], "2": means[1]}, key=jax.random.key(0))
    assert (np.abs(np.asarray(phases.means) - means) < 2 * sigma).all()


def test_real_ink_dilutions_are_calibrated_with_bands_that_cover(real):
    known, feature = [], []
    for path in sorted(real("colour_ink_dilution").glob("*/*_ink.jpg")):
        pair = [path, path.with_name(path.name.replace("_ink", "_reference"))]
        means = []
        for name in pair:
            pixels = imageio.imread(name).reshape(-1, 3)
            pixels = pixels[np.linspace(0, len(pixels) - 1, 2000).astype(int)]
            means.append(np.asarray(optical.linear(Movie(pixels[None], [0], Domain(2000))).frames).mean((0, 1)))
        # a difference of channels, so that exposure and illumination cancel
        red, _, blue = -np.log(means[0] / means[1])
        dilution = re.search(r"dilution_(\d+)", str(path))
        known.append(1 / int(dilution[1]) if dilution else 0.0)
        feature.append(blue - red)
    known, feature = np.array(known), np.array(feature)
    covered = []
    for i in range(len(known)):
        others = np.arange(len(known)) != i
        low, high = optical.calibrate(known[others], feature[others]).band(feature[i])
        covered.append(low <= known[i] <= high)
    assert np.mean(covered) >= 0.9
    curve = optical.calibrate(known, feature)
    assert (np.diff(curve.feature) > 0).all()
    found = curve(feature)
    clear = known >= 1 / 64
    assert np.abs(np.log(found[clear] / known[clear])).mean() < 0.1


def test_real_electrode_is_cut_into_particles(real):
    # LZW, which Pillow reads
    path = real("electrode_nmc_xct_slice") / "NMC_90wt_2000bar_115.tif"
    picture = imageio.imread(path, plugin="pillow")[200:500, 200:500, 0].astype(float)
    labels = md.segment(md.particle_mask(picture, smooth=1.5), smooth=2.0, apart=6, least=40)
    sizes = np.bincount(labels.ravel())[1:]
    assert 20 < labels.max() < 400
    # dense electrode of round particles: none swallows the picture, most of it is particle
    assert sizes.max() < 0.1 * labels.size
    assert 0.3 < (labels > 0).mean() < 0.9
