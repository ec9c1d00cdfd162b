"""Training on one noisy movie: the gain, honest spreads, what is read, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import metrics, noise
from operax.denoise import BlindSpot, Ensemble, train, tune
from operax.domain import Domain
from operax.movie import Movie

STD = 0.1


def test_denoised_is_much_closer_to_the_truth(denoiser, raw, clean):
    def error(movie):
        return float(metrics.rmse(movie.frames, clean.frames, raw.domain.inside))

    assert error(denoiser.blind(raw)) < 0.4 * STD
    assert error(denoiser(raw)) < 0.4 * STD


def test_result_is_a_movie_like_the_raw_one(denoiser, raw):
    result = denoiser(raw)
    assert result.frames.shape == result.variance.shape == raw.frames.shape
    assert result.domain == raw.domain
    assert result.units == raw.units
    assert result.axis == raw.axis
    assert (result.times == raw.times).all()
    assert denoiser.blind(raw).reads == tuple(range(-3, 4))
    assert result.reads == denoiser.reads == tuple(range(-21, 22))
    assert result.frames.dtype == raw.frames.dtype
    assert jnp.isfinite(result.frames[:, raw.domain.inside]).all()
    assert (result.variance >= 0).all()


def test_spread_tells_the_size_of_the_error(denoiser, raw, clean):
    blind, inside = denoiser.blind(raw), raw.domain.inside
    error2 = ((blind.frames - clean.frames) ** 2)[:, inside].mean()
    assert 0.5 < float(blind.variance[:, inside].mean() / error2) < 2


def test_history_is_a_risk_that_falls(denoiser, raw):
    assert denoiser.history.shape == (6,)
    assert denoiser.history[-1] < 0.3 * denoiser.history[0]


def test_progress_is_called_to_the_end(denoiser, calls):
    assert [step for step, _, _ in calls] == list(range(25, 151, 25))
    assert all(total == 150 and isinstance(risk, float) for _, total, risk in calls)


@pytest.mark.parametrize("frame", [0, 1, 7, 13])
def test_a_denoised_pixel_has_not_seen_itself_and_only_the_frames_it_reads(denoiser, raw, frame):
    """Flips are averaged and end frames mirrored; neither may bring the pixel back."""
    gradient = jax.grad(lambda y: denoiser.blind(raw.replace(frames=y)).frames[frame, 15, 12])(raw.frames)
    assert gradient[frame, 15, 12] == 0
    assert gradient[frame, 15, 13] != 0
    read = jnp.asarray((gradient != 0).any((1, 2)))
    assert jnp.isfinite(gradient).all()
    assert not any(read[t] for t in range(14) if abs(t - frame) > 3)
    assert all(read[t] for t in range(14) if abs(t - frame) <= 3)
    assert not (gradient[:, ~raw.domain.inside] != 0).any()


def test_one_derivative_runs_from_clean_frames_to_pixels_and_weights(denoiser, raw):
    inside = raw.domain.inside
    direction = jnp.where(inside, jax.random.normal(jax.random.key(3), raw.frames.shape), 0)

    def total(d, y):
        return jnp.sum(d(raw.replace(frames=y)).frames[:, inside] ** 2)

    by_weights, by_pixels = eqx.filter_jit(eqx.filter_grad(lambda dy: total(*dy)))((denoiser, raw.frames))
    assert any((leaf != 0).any() for leaf in jax.tree.leaves(by_weights.weights))
    step = 1e-2
    forth, back = (total(denoiser, raw.frames + s * direction) for s in (step, -step))
    slope = float((by_pixels * direction)[:, inside].sum())
    assert slope == pytest.approx(float(forth - back) / (2 * step), rel=2e-2)


def test_noisy_pixel_is_put_back_for_white_calibrated_noise_only(denoiser, raw):
    assert denoiser.posterior
    assert denoiser.reasons == ()
    inside = raw.domain.inside
    assert denoiser(raw).variance[:, inside].mean() < denoiser.blind(raw).variance[:, inside].mean()
    # A noise model 2.5 times too loud: spreads cannot be right, so the blind mean is kept.
    wrong = train(raw, noise.Gaussian(2.5 * STD), key=jax.random.key(0), network=BlindSpot(2, 4), steps=20, batch=1)
    assert not wrong.posterior
    assert not wrong.gain.share.any()
    assert "not calibrated" in wrong.reasons[0]
    assert (wrong(raw).frames == wrong.blind(raw).frames)[:, raw.domain.inside].all()


def test_same_key_same_denoiser(raw):
    def leaves(seed):
        small = train(raw, key=jax.random.key(seed), network=BlindSpot(2, 4), steps=5, batch=1)
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(small.weights)])

    assert (leaves(0) == leaves(0)).all()
    assert (leaves(0) != leaves(1)).any()


def test_an_ensemble_is_the_mean_of_its_members_and_closer_to_the_truth_than_they_are_on_average(raw, clean):
    inside = raw.domain.inside
    members = [
        train(raw, noise.Gaussian(STD), key=jax.random.key(seed), network=BlindSpot(2, 4), steps=60, batch=1)
        for seed in (0, 1)
    ]
    both = Ensemble(members)
    blind = both.blind(raw)
    by_hand = sum(np.asarray(member.blind(raw).frames) for member in members) / 2
    np.testing.assert_allclose(blind.frames[:, inside], by_hand[:, inside], atol=1e-5)
    errors = [float(metrics.rmse(m.blind(raw).frames, clean.frames, inside)) for m in (*members, both)]
    assert errors[2] ** 2 < (errors[0] ** 2 + errors[1] ** 2) / 2
    assert both.reads == members[0].reads
    # Like its members, it keeps the mean of the noisy movie.
    left = np.asarray(raw.frames - both(raw).frames)[:, inside].mean()
    assert both.posterior
    assert abs(left) < 1e-3
    with pytest.raises(ValueError, match="must be denoisers of one network, got 0"):
        Ensemble(())


def test_leaves_are_floating_arrays(denoiser):
    assert all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(denoiser))


def test_energy_stack_with_a_std_for_each_pixel_in_double_precision():
    with jax.enable_x64(True):
        y, x = np.mgrid[:16, :20]
        clean = (40 + 30 * np.sin((x + np.arange(5)[:, None, None]) / 5) * np.cos(y / 6)).astype(float)
        model = noise.Gaussian(jnp.linspace(1.0, 4.0, 20) * jnp.ones((16, 20)))
        noisy = model.sample(jnp.asarray(clean), key=jax.random.key(0))
        stack = Movie(noisy, 700.0 + np.arange(5) ** 1.5, Domain((16, 20)), axis="energy")
        trained = train(stack, model, key=jax.random.key(0), network=BlindSpot(2, 4), steps=2, batch=1)
        result = trained(stack)
        assert result.axis == "energy"
        assert trained.blind(stack).reads == (-2, -1, 0, 1, 2)
        assert result.frames.dtype == jnp.float64
        assert jnp.isfinite(result.frames).all()


def test_too_short_movies_are_refused(raw, denoiser):
    with pytest.raises(ValueError, match="at least 3 frames to predict one from others, got 2"):
        train(raw[:2], noise.Gaussian(STD), key=jax.random.key(0))
    with pytest.raises(ValueError, match="at least 11 frames, got 6"):
        train(raw[:6], noise.Gaussian(STD), key=jax.random.key(0), network=BlindSpot())
    with pytest.raises(ValueError, match="reads 3 frames on either side needs a movie of at least 7"):
        denoiser(raw[:6])


def test_profiles_are_refused():
    line = Movie(np.random.default_rng(0).standard_normal((5, 30)), np.arange(5.0), Domain((30,)))
    with pytest.raises(ValueError, match=r"movies of two space axes.*got axes \(time, row\)"):
        train(line, key=jax.random.key(0))


def test_tuning_starts_from_the_weights_of_another_movie(denoiser, raw, clean):
    """Twenty steps on a brighter sister movie do what took many from scratch."""
    sister = raw.replace(frames=3 * raw.frames + 1)
    tuned = tune(denoiser, sister, noise.Gaussian(3 * STD), key=jax.random.key(4), steps=20)
    error = metrics.rmse(tuned(sister).frames, 3 * clean.frames + 1, raw.domain.inside)
    assert tuned.network == denoiser.network
    assert float(error) < 0.4 * 3 * STD


def test_constant_movie_and_bad_options_are_refused(raw):
    still = Movie(np.ones((5, 8, 8)), np.arange(5.0), Domain((8, 8)))
    with pytest.raises(ValueError, match=r"`movie` is constant \(1\)"):
        train(still, noise.Gaussian(STD), key=jax.random.key(0))
    for name in ("steps", "batch", "patch"):
        with pytest.raises(ValueError, match=f"`{name}` must be at least 1, got 0"):
            train(raw, key=jax.random.key(0), **{name: 0})
    with pytest.raises(ValueError, match="`learning_rate` must be positive"):
        train(raw, key=jax.random.key(0), learning_rate=0.0)


@pytest.mark.parametrize(("share", "rate"), [(0.001, 5e-3), (0.08, 0.5**0.5 * 1e-2), (0.5, 1e-2)])
def test_steps_are_smaller_where_there_is_little_noise(raw, share, rate):
    """``share`` is the noise's part of the scale that values are divided by: a quarter of their span."""
    inside = np.asarray(raw.frames)[:, raw.domain.inside]
    level = noise.Gaussian(share * float(np.diff(np.quantile(inside, [0.01, 0.99]))[0]) / 4)
    options = {"network": BlindSpot(2, 4), "steps": 5, "batch": 1, "patch": 16, "key": jax.random.key(0)}
    by_itself, told = (train(raw, level, learning_rate=given, **options) for given in (None, rate))
    for mine, other in zip(jax.tree.leaves(by_itself.weights), jax.tree.leaves(told.weights)):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-7)


def test_diverging_training_is_an_error(raw):
    huge = raw.replace(frames=raw.frames.at[:, 16, 14].set(3e38))
    with pytest.raises(RuntimeError, match="training diverged before step"):
        train(huge, noise.Gaussian(STD), key=jax.random.key(0), network=BlindSpot(2, 4), steps=5, batch=1)
