"""Error bars from the residuals themselves: right where the noise model is, and where it is not."""

import jax
import numpy as np
import pytest

import operax as ox
from operax.inference.influence import sandwich


def width(covariance):
    return float(np.sqrt(np.asarray(covariance)[0, 0]))


def test_the_sandwich_is_the_plain_covariance_where_the_noise_model_is_right(small):
    *_, problem, best = small
    # some thirty values hold the law, so that its standard deviation is known within an eighth
    assert width(sandwich(best, problem, (1, 1))) == pytest.approx(width(np.linalg.inv(best.normal.schur())), rel=0.4)


def test_the_sandwich_does_not_care_for_the_stated_noise(small):
    """Noise stated half too large: the law hardly moves, the plain band is half too wide, the sandwich is not."""
    _, noisy, _, problem, best = small
    wide = ox.Problem(noisy, None, ox.noise.Gaussian(0.03), start=ox.PreRoll(cutoff=0.6))
    again = ox.refit(best, wide)
    right, wrong = (width(sandwich(f, p, (1, 1))) for f, p in ((best, problem), (again, wide)))
    assert wrong == pytest.approx(right, rel=0.25)
    assert width(np.linalg.inv(again.normal.schur())) == pytest.approx(
        1.5 * width(np.linalg.inv(best.normal.schur())), rel=0.2
    )
    bands = ox.laplace(again, wide, key=jax.random.key(0), draws=4000, block=(1, 1))
    assert np.std(np.asarray(jax.tree.leaves(bands.draws)[0])) == pytest.approx(wrong, rel=0.1)
    assert any("sandwich" in note for note in bands.notes)


def test_blocks_that_tell_nothing_are_refused(small):
    *_, problem, best = small
    with pytest.raises(ValueError, match="one positive length for each axis of the frames"):
        sandwich(best, problem, (1, 2, 2))
    with pytest.raises(ValueError, match="leaves 1 blocks for 1 unknown numbers"):
        sandwich(best, problem, (6, 16))
    with pytest.raises(ValueError, match="leave out `residual_scale`"):
        ox.laplace(best, problem, key=jax.random.key(0), block=(1, 2), residual_scale=True)
