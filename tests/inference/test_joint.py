"""Denoiser and laws trained together: nothing that is judged is read, and the laws are found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax.denoise.denoiser import Denoiser
from operax.denoise.share import nothing


@pytest.fixture(scope="module")
def seen():
    domain = ox.Domain((16, 16), 0.01)
    noise = ox.noise.Gaussian(0.07)
    truth = ox.synth.cahn_hilliard(domain, 0.004 + 2e-3 * np.arange(18), key=jax.random.key(5), dt=5e-4)
    frames = noise.sample(truth.clean.frames, key=jax.random.key(9))
    return truth, truth.clean.replace(frames=frames), noise


@pytest.fixture
def unknown():
    mobility = ox.laws.Degenerate(ox.laws.positive(0.6, factor=3))
    return ox.CahnHilliard(mobility, ox.laws.RegularSolution(ox.laws.Unknown(2.5, 1.0)), 2e-3)


def test_a_denoiser_that_reads_what_it_starts_is_refused(seen, unknown):
    _, raw, noise = seen
    network = ox.denoise.BlindSpot(reach=2, width=4)
    graph, weights = network.build(1, key=jax.random.key(0))
    numbers = weights, jnp.array(0.5), jnp.array(0.3), noise, jnp.zeros(0), nothing(jnp.float32)
    denoiser = Denoiser(*numbers, graph, network, "", True, ())
    with pytest.raises(ValueError, match=r"reads frames \[1, 2, 3\] after the one it cleans.*skip=3"):
        ox.fit_joint(unknown, raw, noise, key=jax.random.key(0), denoiser=denoiser)
    with pytest.raises(ValueError, match="`window` must be at least 2, got 1"):
        ox.fit_joint(unknown, raw, noise, key=jax.random.key(0), window=1)
    with pytest.raises(ValueError, match="too short for windows of 17"):
        ox.fit_joint(unknown, raw, noise, key=jax.random.key(0), window=17, denoiser=denoiser)


@pytest.mark.slow
def test_laws_and_frames_gain_from_each_other(seen, unknown):
    truth, raw, noise = seen
    network = ox.denoise.BlindSpot(reach=5, width=12, skip=3)
    alone = ox.denoise.train(raw, noise, key=jax.random.key(0), network=network, steps=300, patch=16)
    joint = ox.fit_joint(unknown, raw, noise, key=jax.random.key(1), denoiser=alone, steps=100, patch=16)
    before, after = (ox.metrics.rmse(d(raw).frames, truth.clean.frames) for d in (alone, joint.denoiser))
    assert float(after) < float(before)
    posterior = ox.laplace(joint.fit, joint.problem, key=jax.random.key(2))
    for law, exact in ((lambda e: e.mobility(jnp.array(0.5)), 0.25), (lambda e: e.potential.omega(0.5), 3.0)):
        draws = posterior(law)
        assert abs(float(draws.mean()) - exact) < 4 * float(draws.std())
    # what the physics was trained on is explained no better than what it was not
    _, trained, held = np.asarray(joint.history[-1])
    values = 100 * 3 * 256 / 4 / 23
    assert abs(held - trained) < 4 * np.sqrt(2 / values)


@pytest.mark.slow
def test_a_start_reads_no_frame_of_its_window(seen, unknown):
    _, raw, noise = seen
    network = ox.denoise.BlindSpot(reach=3, width=4, skip=3)
    denoiser = ox.denoise.train(raw, noise, key=jax.random.key(0), network=network, steps=5, patch=16)

    def start(frames):
        return (denoiser(raw.replace(frames=frames)).frames[6] ** 2).sum()

    slope = np.abs(np.asarray(jax.grad(start)(raw.frames))).max((1, 2))
    assert not slope[[7, 8, 9]].any()
    assert (slope[[3, 4, 5, 10]] > 0).all()
