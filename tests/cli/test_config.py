"""Configs: filled in with defaults they read back the same; mistakes are named with key and line."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from decay import CONFIG

from operax import physics
from operax.cli import build
from operax.cli import config as configs
from operax.physics import laws

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.toml"))

FULL = """
[input]
path = "../movies/m.h5"
dataset = 2
axes = "tyx"
spacing = [0.1, 0.2]
times = [0, 1, 3]
units = ["um", "s", "1"]
channel = "grey"
boundary = ["periodic", "no-flux"]
mask = "mask.npy"
states = "/elsewhere/states.h5"
[prepare]
rows = [1, 9]
columns = [0, 4]
frames = [2, 12]
step = 2
profile = "column"
[neutron]
reference = {rows = [1, 3], columns = [0, 4], frame = 3}
attenuation = 0.32
[noise]
std = 0.1
[fit]
equation = "diffusion"
diffusivity = {law = "exp-spline", value = 1e-3, factor = 10, knots = 6, span = [0, 1]}
source = 0.5
start = {lead = 0.5, cutoff = 3}
residual_scale = true
[report]
title = "a µ-title"
[run]
seed = 7
out = "there"
"""


def written(tmp_path, text, name="config.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("text", [CONFIG, FULL], ids=["short", "full"])
def test_a_resolved_config_reads_back_the_same_anywhere(tmp_path, text):
    config = configs.read(written(tmp_path, text))
    (tmp_path / "elsewhere").mkdir()
    again = configs.read(written(tmp_path / "elsewhere", configs.text(config)))
    assert again.run.out is None
    nowhere = {"run": config.run.model_copy(update={"out": None})}
    assert again == config.model_copy(update=nowhere)
    assert configs.text(again) == configs.text(config)


def test_paths_start_from_the_folder_of_the_config(tmp_path):
    found = configs.read(written(tmp_path, FULL)).input
    assert found.path == str(tmp_path.parent / "movies" / "m.h5")
    assert found.mask == str(tmp_path / "mask.npy")
    assert found.states == "/elsewhere/states.h5"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_examples_are_valid(path):
    config = configs.read(path)
    if config.fit is not None:
        assert jax.tree.leaves(build.equation(config.fit))


MISTAKES = [
    ("path =", "pth =", ("line 3: [input] unknown key `pth` (did you mean `path`?)", "`path` is required")),
    ("step = 2", "step = 0", ("line 17: [prepare] `step` must be at least 1, got 0",)),
    ("step = 2", "step = 2.0", ("line 17: [prepare] `step` must be a whole number, got 2.0",)),
    ("rows = [1, 9]", "rows = [1]", ("line 14: [prepare] `rows` must be a list of 2 entries",)),
    ('"column"', '"colum"', ("line 18: [prepare] `profile` must be 'row' or 'column', got 'colum'",)),
    ("std = 0.1", "std = nan", ("line 23: [noise] `std` must be finite",)),
    ("source = 0.5", 'source = "a"', ("line 27: [fit] `source` must be a number, got 'a'",)),
    ("source = 0.5", "sorce = 0.5", ("did you mean `source`?",)),
    ("factor = 10", "facto = 10", ("`diffusivity.factor` is required", "unknown key `diffusivity.facto`")),
    ('"exp-spline"', '"exp-splin"', ("line 26: [fit] `diffusivity.law` must be one of", "`exp-spline`?")),
    (", span = [0, 1]", "", ("line 26: [fit] `knots` is a list of compositions, or a number of them",)),
    ("{lead = 0.5, cutoff = 3}", '"gven"', ("line 28: [fit] `start` must be 'given' or a table",)),
    ('"grey"', '"gray"', ("`channel` must be a whole number or 'grey', got 'gray'",)),
    ("[noise]\nstd = 0.1", '[denoise]\nmethod = "low-rank"', ("takes the place of [denoise]",)),
    ("attenuation = 0.32", "element = 'Li'", ("line 19: [neutron] `element` and `thickness` belong together.",)),
    ("reference = {rows = [1, 3], columns = [0, 4], frame = 3}", "", ("[neutron] give `open_beam`, or a `reference`",)),
    ("frame = 3}", "frme = 3}", ("line 20: [neutron] unknown key `reference.frme` (did you mean `frame`?)",)),
    ("[noise]", "[optical]\nphases = []\n[noise]", ("[optical] `phases` must be a list of 2 entries",)),
    ("std = 0.1", "std = 0.1\ngain = 2", ("line 22: [noise] give one of `std` and `gain`",)),
    ("seed = 7", "seed = -7", ("line 33: [run] `seed` must be at least 0",)),
]


@pytest.mark.parametrize(("right", "wrong", "said"), MISTAKES, ids=[m[1] or "no span" for m in MISTAKES])
def test_mistakes_are_named_with_table_key_and_line(tmp_path, right, wrong, said):
    assert right in FULL
    with pytest.raises(ValueError, match="config") as error:
        configs.read(written(tmp_path, FULL.replace(right, wrong)))
    for words in said:
        assert words in str(error.value)


def test_all_mistakes_are_named_at_once(tmp_path):
    text = FULL.replace("step = 2", "step = 0").replace("source =", "sorce =")
    with pytest.raises(ValueError, match="line 17") as error:
        configs.read(written(tmp_path, text))
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == ["line 17", "line 27"]


C = jnp.linspace(0.1, 0.9, 7)
SPLINE = '{law="exp-spline", value=2.0, factor=3, knots=5, span=[0, 1], std=0.5}'
LEGENDRE = '{law="exp-legendre", value=2.0, factor=3, degree=2}'
LAWS = {
    "{value=2.0, factor=3}": laws.positive(2.0, 3),
    SPLINE: laws.Exp(laws.Unknown(np.log(2), np.log(3)) + laws.Spline(np.linspace(0, 1, 5), 0.5)),
    SPLINE.replace("5, span=[0, 1]", "[0, 0.3, 0.5, 1]"): laws.Exp(
        laws.Unknown(np.log(2), np.log(3)) + laws.Spline([0, 0.3, 0.5, 1], 0.5)
    ),
    LEGENDRE: laws.Exp(laws.Unknown(np.log(2), np.log(3)) + laws.Legendre(2)),
    f'{{law="degenerate", scale={LEGENDRE}}}': laws.Degenerate(
        laws.Exp(laws.Unknown(np.log(2), np.log(3)) + laws.Legendre(2))
    ),
}


@pytest.mark.parametrize("text", LAWS)
def test_a_table_states_the_law_and_its_prior(tmp_path, text):
    config = configs.read(
        written(tmp_path, f'[input]\npath = "m.h5"\n[fit]\nequation = "diffusion"\ndiffusivity = {text}\n')
    )
    found, meant = build.equation(config.fit).diffusivity, LAWS[text]
    # the same numbers in standard-normal coordinates give the same law: it is the same prior
    leaves, structure = jax.tree.flatten(meant)
    drawn = [jnp.linspace(-1, 1, leaf.size).reshape(leaf.shape) for leaf in leaves]
    assert [leaf.shape for leaf in jax.tree.leaves(found)] == [leaf.shape for leaf in leaves]
    fill = jax.tree.structure(found).unflatten
    np.testing.assert_allclose(fill(drawn)(C), structure.unflatten(drawn)(C), rtol=1e-6)


def test_cahn_hilliard_is_built_with_its_three_laws(tmp_path):
    text = """
[input]
path = "m.h5"
[fit]
equation = "cahn-hilliard"
mobility = {law = "degenerate", scale = 2.0}
potential = {law = "regular-solution+legendre", omega = {mean = 3, std = 0.5}, degree = 4, std = 0.7}
kappa = {value = 2e-3, factor = 3}
start = "given"
"""
    part = configs.read(written(tmp_path, text)).fit
    found = build.equation(part)
    assert isinstance(found, physics.CahnHilliard)
    np.testing.assert_allclose(found.mobility(C), 2 * C * (1 - C), rtol=1e-6)
    np.testing.assert_allclose(found.potential(C), jnp.log(C / (1 - C)) + 3 * (1 - 2 * C), rtol=1e-5)
    np.testing.assert_allclose(found.kappa(C), 2e-3, rtol=1e-6)
    assert len(jax.tree.leaves(found)) == 3
    assert type(build.start(part)).__name__ == "Given"
