"""The map of influence is drawn on a scale centred at zero, grey outside, and refuses what does not fit."""

import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.movie import Movie
from operax.report import plot


def test_influence_has_a_row_a_law_and_a_scale_centred_at_zero():
    inside = np.ones((6, 8), bool)
    inside[0] = False
    raw = Movie(jnp.zeros((4, 6, 8)), jnp.arange(4.0), Domain((6, 8), 1.0, inside=inside))
    rows = np.random.default_rng(0).normal(size=(2, 4, 6, 8))
    figure = plot.influence({"D": rows[0], "slope": rows[1]}, raw)
    images = [image for ax in figure.axes for image in ax.images]
    assert len(images) == 8
    low, high = images[0].get_clim()
    assert low == pytest.approx(-high)
    assert np.ma.getmaskarray(np.ma.masked_invalid(images[0].get_array()))[0].all()
    with pytest.raises(ValueError, match=r"of the frames' shape \(4, 6, 8\), got \[\(6, 8\)\]"):
        plot.influence({"D": rows[0, 0]}, raw)
    with pytest.raises(ValueError, match="got none"):
        plot.influence({}, raw)
