"""The example scripts run as they stand and find what is there."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_neutron_cell_finds_the_diffusivity(tmp_path):
    c, truth, draws = script("neutron_cell").main(path=tmp_path / "a.png")
    mean, std = draws.mean(0), draws.std(0)
    visited = (np.asarray(c) > 0.1) & (np.asarray(c) < 0.6)
    assert np.abs((mean - truth) / std)[visited].max() < 3.5
    assert (std / mean)[visited].max() < 0.5
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.slow
def test_stxm_maps(tmp_path, real):
    found = script("stxm_maps").main(real("stxm_fe_l23_als"), tmp_path / "a.png")
    assert found.names == ("reduced", "oxidized")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_optical_flakes(tmp_path, real):
    chances = script("optical_flakes").main(real("optical_graphene_flakes"), tmp_path / "a.png")
    layers = np.asarray(chances.frames[0]).argmax(-1)
    assert (layers == 0).mean() > 0.7
    # the picture's largest flake is two layers thick
    assert (layers == 2).sum() > 3000
