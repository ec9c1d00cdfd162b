"""Noise models judge as their densities say: unbiased, with the information and the expectation they promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import operax as ox
from operax.inference.likelihood import likelihood

DOMAIN = ox.Domain((24, 20), 1.0)
ONE = jnp.ones(DOMAIN.shape)


def kernel():
    """Correlation of white noise blurred by (1, 5, 1) along both axes."""
    along = np.zeros(7)
    along[1:6] = np.convolve([1, 5, 1], [1, 5, 1]) / 27
    return np.outer(along, along)


def blurred_noise(key, domain):
    white = jax.random.normal(key, tuple(n + 2 for n in domain.shape))
    taps = np.array([1, 5, 1]) / np.sqrt(27)
    return jax.scipy.signal.convolve(white, jnp.asarray(np.outer(taps, taps)), mode="valid")


def test_counting_noise_is_judged_by_its_variance_at_the_predicted_value():
    noise = ox.noise.PoissonGaussian(0.02, 0.0, 0.03)
    judge = likelihood(noise, DOMAIN, 1e-4)
    mean, frame = 0.5 * ONE, 0.5 + 0.2 * jax.random.normal(jax.random.key(0), DOMAIN.shape)
    expected = scipy.stats.norm(0.5, np.sqrt(0.02 * 0.5 + 0.03**2))
    other = scipy.stats.norm(0.3, np.sqrt(0.02 * 0.3 + 0.03**2))
    difference = judge.loss(frame, ONE, ONE, mean) - judge.loss(frame, ONE, ONE, 0.3 * ONE)
    assert float(difference) == pytest.approx(float((other.logpdf(frame) - expected.logpdf(frame)).sum()), rel=1e-10)


def test_counting_noise_does_not_bias_a_mean():
    """Weights taken at the noisy values do: dark values get more weight than bright ones."""
    noise, truth = ox.noise.PoissonGaussian(0.05, 0.0, 0.02), 0.6
    frames = noise.sample(jnp.full((40, *DOMAIN.shape), truth), key=jax.random.key(3))
    judge = likelihood(noise, DOMAIN, 4e-4)

    def loss(m):
        return jnp.sum(jax.vmap(lambda y: judge.loss(y, ONE, ONE, m * ONE))(frames))

    trial = jnp.linspace(0.57, 0.63, 41)
    found = float(trial[jnp.argmin(jax.lax.map(loss, trial))])
    width = float(jnp.sqrt(noise.variance(jnp.array(truth)) / frames.size))
    assert abs(found - truth) < 4 * width
    weights = 1 / noise.variance(frames)
    assert abs(float((weights * frames).sum() / weights.sum()) - truth) > 20 * width


@pytest.mark.parametrize("kind", ["gaussian", "counting", "heavy"])
def test_information_is_the_mean_square_of_the_slope(kind):
    core = ox.noise.PoissonGaussian(0.05, 0.0, 0.1) if kind == "counting" else ox.noise.Gaussian(0.2)
    noise = ox.StudentT(core, 5) if kind == "heavy" else core
    judge = likelihood(noise, DOMAIN, 1e-4)
    mean, known = 0.5 * ONE, core.variance(0.5 * ONE)
    z = np.random.default_rng(0).normal(size=(200, *DOMAIN.shape))
    z = np.random.default_rng(0).standard_t(5, size=z.shape) if kind == "heavy" else z
    frames = mean + jnp.sqrt(known) * z
    slopes = jax.vmap(lambda y: jax.grad(judge.loss, argnums=3)(y, ONE, known, mean))(frames)
    information = judge.information(ONE, known, mean)(ONE) ** 2
    assert float(jnp.mean(slopes**2)) == pytest.approx(float(jnp.mean(information)), rel=0.03)
    chi2 = jax.vmap(lambda y: judge.chi2(y, ONE, known, mean))(frames)
    assert float(jnp.mean(chi2)) / ONE.size == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("masked", [False, True])
def test_correlated_noise_is_whitened(masked):
    rows, columns = np.indices(DOMAIN.shape)
    inside = (rows - 11) ** 2 + (columns - 9) ** 2 < 80 if masked else None
    domain = ox.Domain(DOMAIN.shape, 1.0, inside=inside)
    judge = likelihood(ox.Correlated(ox.noise.Gaussian(1.0), kernel()), domain, 1.0)
    frames = jnp.stack([blurred_noise(key, domain) for key in jax.random.split(jax.random.key(1), 300)])
    factor = jnp.asarray(domain.inside, float)
    chi2 = jax.vmap(lambda y: judge.chi2(y, factor, ONE, jnp.zeros_like(ONE)))(frames).mean()
    assert float(chi2) / domain.inside.sum() == pytest.approx(1, abs=0.03)
    if not masked:
        white = jax.vmap(judge.whiten)(frames)
        lag = float(jnp.mean(white[:, 5:-6, 5:-5] * white[:, 6:-5, 5:-5]) / jnp.mean(white[:, 5:-5, 5:-5] ** 2))
        assert abs(lag) < 0.02
        assert float(jnp.mean(frames[:, 5:-6] * frames[:, 6:-5])) > 0.3


def test_a_measured_correlation_is_taken_as_it_is():
    movie = ox.Movie(
        0.5 + 0.1 * jnp.stack([blurred_noise(k, DOMAIN) for k in jax.random.split(jax.random.key(2), 12)]),
        np.arange(12.0),
        DOMAIN,
    )
    noise = ox.Correlated(ox.noise.estimate(movie), ox.noise.autocorrelation(movie))
    problem = ox.Problem(movie, None, noise)
    chi2 = jax.vmap(problem.likelihood.chi2)(movie.frames, problem.factor, problem.variance, 0.5 + 0 * movie.frames)
    assert float(chi2.sum()) / problem.scored == pytest.approx(1, abs=0.3)


def test_heavy_tails_have_the_density_of_student():
    judge = likelihood(ox.StudentT(ox.noise.Gaussian(0.1), 4), DOMAIN, 0.01)
    frame = 0.3 * jax.random.normal(jax.random.key(0), DOMAIN.shape)
    difference = judge.loss(frame, ONE, 0.01 * ONE, 0 * ONE) - judge.loss(0 * frame, ONE, 0.01 * ONE, 0 * ONE)
    expected = scipy.stats.t(4, scale=0.1)
    assert float(difference) == pytest.approx(float((expected.logpdf(0) - expected.logpdf(frame)).sum()), rel=1e-10)


def test_values_without_weight_may_be_nan():
    judge = likelihood(ox.StudentT(ox.noise.Gaussian(0.1)), DOMAIN, 0.01)
    frame, factor = ONE.at[0].set(jnp.nan), ONE.at[0].set(0)
    value, slope = jax.value_and_grad(judge.loss, argnums=3)(frame, factor, 0.01 * ONE, 0.9 * ONE)
    assert np.isfinite(float(value))
    assert bool(jnp.isfinite(slope).all())
    assert not bool(slope[0].any())


def test_values_without_weight_have_no_slope_in_counting_noise_either():
    judge = likelihood(ox.noise.PoissonGaussian(0.01, 0.0, 0.1), ox.Domain((3,), 1.0), 1e-3)
    frame, known, weights = jnp.array([0.5, jnp.nan, 0.3]), jnp.full(3, 0.02), jnp.array([1.0, 0.0, 1.0])
    slope = jax.grad(lambda mean: judge.loss(frame, weights, known, mean))(jnp.full(3, 0.4))
    alone = jax.grad(lambda mean: judge.loss(frame[::2], weights[::2], known[::2], mean))(jnp.full(2, 0.4))
    assert np.asarray(slope) == pytest.approx([float(alone[0]), 0.0, float(alone[1])])


def test_noise_that_makes_no_sense():
    with pytest.raises(ValueError, match="`freedom` must be finite and above one, got 1"):
        ox.StudentT(ox.noise.Gaussian(0.1), 1)
    with pytest.raises(ValueError, match=r"with one at the centre; got shape \(2, 3\)"):
        ox.Correlated(ox.noise.Gaussian(0.1), np.ones((2, 3)))
    with pytest.raises(ValueError, match="`correlation` has 1 axes, the frames have 2"):
        likelihood(ox.Correlated(ox.noise.Gaussian(0.1), np.ones(1)), DOMAIN, 0.1)
    with pytest.raises(ValueError, match="more than the frames'"):
        likelihood(ox.Correlated(ox.noise.Gaussian(0.1), kernel()), ox.Domain((4, 4)), 0.1)
