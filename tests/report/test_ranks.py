"""Ranks and influence stand in the report: bars of the right height, and maps that are the derivative of a law."""

import dataclasses
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.inference import Calibrated
from operax.report import plot
from operax.report.belief import bands

# the package shows a function of the room's name
pixels = importlib.import_module("operax.report.pixels")


def of_size(n):
    below = np.random.default_rng(0).integers(0, [100, 60], (n, 2))
    return Calibrated(below, np.full(n, 99), np.zeros((n, 2)), ("D", "$x"))


def test_every_experiment_stands_in_a_bar():
    found = of_size(100)
    figure = plot.ranks(found)
    drawn = [ax.patches[0].get_data().values for ax in figure.axes]
    assert [sum(values) for values in drawn] == [100, 100]
    assert drawn[0].tolist() == found.counts()[0][0].tolist()
    assert figure.axes[0].get_ylim()[1] > max(max(values) for values in drawn), "no bar is cut off"
    assert figure.axes[1].get_title().startswith(r"\$x   p = ")
    with pytest.raises(ValueError, match="needs at least 20 experiments, got 10"):
        plot.ranks(of_size(10))


def test_the_page_shows_ranks_where_there_are_enough(posterior):
    section = bands(posterior, of_size(40))
    assert [picture.name for picture in section.pictures] == ["ranks"]
    assert section.tables[0].rows[-1][0] == "all together"
    assert bands(posterior, of_size(10)).pictures == ()


def test_the_map_is_the_derivative_of_the_law(posterior, problem, monkeypatch):
    """Two unknown numbers moved by one value each: the law's slope by either stands at its value."""
    assert pixels.influence(posterior, problem, {"D": lambda e, c: e.diffusivity(c)}, 0.5) == ()
    theta, rebuild = jax.flatten_util.ravel_pytree(posterior.best)
    rows = jnp.zeros((theta.size, *problem.data.frames.shape)).at[0, 1, 2].set(1.0).at[2, 4, 7].set(1.0)
    told = dataclasses.replace(posterior, found={"influence": rows})
    drawn, draw = [], plot.influence

    def seen(maps, raw):
        drawn.append(maps)
        return draw(maps, raw)

    monkeypatch.setattr(pixels.figures, "influence", seen)
    (section,) = pixels.influence(told, problem, {"D": lambda e, c: e.diffusivity(c)}, 0.5)
    assert section.pictures[0].png.startswith(b"\x89PNG")
    step = 1e-4
    for at, number in (((1, 2), 0), ((4, 7), 2)):
        moved = [rebuild(theta.at[number].add(sign * step)).diffusivity(jnp.array(0.5)) for sign in (1, -1)]
        slope = float(moved[0] - moved[1]) / (2 * step)
        assert float(drawn[0]["D"][at]) == pytest.approx(slope, rel=1e-2)
    assert int((drawn[0]["D"] != 0).sum()) == 2
