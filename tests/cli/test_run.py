"""Runs: what the folder holds, that runs repeat, resume, fail cleanly, and can be reported again."""

import csv
import json
import warnings

import numpy as np
import pytest
from decay import CONFIG, D, decaying

from operax import io
from operax.cli import config as configs
from operax.cli import folder, pipeline


def figures_of(path):
    return sorted(p.name for p in (path / "figures").iterdir())


def same(first, second) -> bool:
    arrays, _ = io.read_arrays(first)
    others, _ = io.read_arrays(second)
    return arrays.keys() == others.keys() and all(np.array_equal(arrays[n], others[n]) for n in arrays)


def test_a_run_leaves_everything_in_its_folder_and_repeats_exactly(operax, config_file, tmp_path):
    said = operax("run", config_file)
    assert said.code == 0, said.err
    run = tmp_path / "runs" / "decay-1"
    assert said.out.splitlines()[-1].split() == ["report", "runs/decay-1/report.html"]
    for stage in ("load", "denoise", "fit", "posterior", "report"):
        assert sum(line.startswith(stage) for line in said.err.splitlines()) == 1
    held = {p.name for p in run.iterdir()}
    results = {"denoised.h5", "denoising.h5", "fit.h5", "predicted.h5", "report.html", "citations.txt"}
    assert held == {"config.toml", "run.json", "metrics.csv", "log.txt", "figures", "checkpoints", *results}
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"fit.h5"}
    assert figures_of(run)

    state = json.loads((run / "run.json").read_text())
    assert state["state"] == "finished"
    assert state["precision"] == "float64"
    assert state["inputs"] == [folder.fingerprint(tmp_path / "movie.h5")]
    assert set(state["seconds"]) == {"denoise", "fit", "posterior", "report"}
    assert "jax" in state["versions"]

    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["stage"] for row in rows} == {"fit"}
    assert [int(row["step"]) for row in rows] == list(range(1, len(rows) + 1))
    assert np.isfinite([float(row["value"]) for row in rows]).all()
    assert "finished" in (run / "log.txt").read_text()

    arrays, said_of_fit = io.read_arrays(run / "fit.h5")
    d = 0.03 * np.exp(np.log(3) * arrays["draws.diffusivity.exponent.coordinate"])
    assert abs(d.mean() - D) < 4 * d.std()
    assert said_of_fit["result"].startswith("converged")
    assert io.load(run / "predicted.h5").domain.shape == (12,)
    assert io.load(run / "denoised.h5").domain.shape == (12, 5)

    again = operax("run", run / "config.toml", "--out", "again")
    assert again.code == 0, again.err
    assert same(run / "fit.h5", tmp_path / "again" / "fit.h5")
    assert (run / "config.toml").read_text() == (tmp_path / "again" / "config.toml").read_text()

    # a second run of the same name gets the next number, and its report can be made again
    page = (run / "report.html").read_text()
    (run / "report.html").unlink()
    assert operax("report", run).code == 0
    assert (run / "report.html").read_text() == page
    assert folder.choose(None, "decay").name == "decay-2"


def test_resume_takes_the_denoised_movie_only_if_it_is_the_same(operax, config_file, tmp_path, monkeypatch):
    made = []
    original = pipeline.denoise

    def counted(*args, **kwargs):
        made.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(pipeline, "denoise", counted)
    config_file.write_text(CONFIG.split("[fit]")[0])
    assert operax("run", config_file, "--out", "r").code == 0
    before = (tmp_path / "r" / "denoised.h5").stat().st_mtime_ns
    assert operax("run", config_file, "--out", "r", "--resume").code == 0
    assert len(made) == 1
    assert (tmp_path / "r" / "denoised.h5").stat().st_mtime_ns == before
    state = json.loads((tmp_path / "r" / "run.json").read_text())
    assert state["denoised"] == "taken from the earlier run"

    config_file.write_text(config_file.read_text().replace("width = 3", "width = 5"))
    assert operax("run", config_file, "--out", "r", "--resume").code == 0
    assert len(made) == 2
    assert operax("run", config_file, "--out", "r").code == 0
    assert len(made) == 3


def test_a_failed_run_says_so_in_its_folder_and_exits_with_one(operax, config_file, tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise RuntimeError("the curvature is not positive")

    monkeypatch.setattr(pipeline.inference, "fit", fails)
    said = operax("run", config_file, "--out", "r")
    assert said.code == 1
    assert said.err.splitlines()[-1] == "operax: error: the curvature is not positive"
    state = json.loads((tmp_path / "r" / "run.json").read_text())
    assert (state["state"], state["error"]) == ("failed", "the curvature is not positive")
    assert "Traceback" in (tmp_path / "r" / "log.txt").read_text()
    held = {p.name for p in (tmp_path / "r").iterdir()}
    assert held == {"config.toml", "run.json", "metrics.csv", "log.txt", "denoised.h5", "denoising.h5", "checkpoints"}
    assert "has not finished" in operax("report", "r").err


def test_ctrl_c_is_recorded_and_exits_with_130(operax, config_file, tmp_path, monkeypatch):
    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "denoise", stopped)
    said = operax("run", config_file, "--out", "r")
    assert said.code == 130
    assert "interrupted" in said.err
    assert json.loads((tmp_path / "r" / "run.json").read_text())["state"] == "interrupted"


def test_fit_takes_the_keys_of_a_config_as_options(operax, movie_file, tmp_path, monkeypatch):
    asked = []

    def execute(config, path, command, *, resume):
        asked.append((config, path, command, resume))
        return pipeline.Outcome(None, None, None, None, None, path / "report.html")

    monkeypatch.setattr(pipeline, "execute", execute)
    said = operax(
        *("fit", movie_file, "--equation", "cahn-hilliard", "--kappa", "2e-3", "--lead", 0.5, "--units", "um,h,1"),
        *("--mobility", "{law='degenerate', scale={value=1, factor=3}}", "--spacing", "0.1,0.2", "--times", "2"),
        *("--potential", "{law='regular-solution', omega={mean=3, std=0.5}}", "--channel", "grey", "--step", 2),
        *("--frames", "1,8", "--window", 4, "--noise-std", 0.02, "--draws", 20, "--seed", 3, "--states", "s.h5"),
    )
    assert said.code == 0, said.err
    (config, path, command, resume) = asked[0]
    assert (str(path), command, resume) == ("runs/movie-1", "fit", False)
    assert (
        configs.text(config)
        == f"""[input]
path = "{movie_file}"
spacing = [0.1, 0.2]
times = 2.0
units = ["um", "h", "1"]
channel = "grey"
states = "{tmp_path / "s.h5"}"

[prepare]
frames = [1, 8]
step = 2

[noise]
std = 0.02
offset = 0.0
read_std = 0.0

[fit]
equation = "cahn-hilliard"
mobility = {{law = "degenerate", scale = {{value = 1.0, factor = 3.0}}}}
potential = {{law = "regular-solution", omega = {{mean = 3.0, std = 0.5}}}}
kappa = 0.002
window = 4
start = {{lead = 0.5}}
steps = 60
draws = 20
residual_scale = false

[run]
seed = 3
"""
    )


def test_denoise_writes_the_movie_and_says_whether_to_trust_it(operax, movie_file, tmp_path):
    said = operax("denoise", movie_file, "-o", "out.h5", "--method", "low-rank", "--rank", 1)
    assert said.code == 0, said.err
    assert "the residual is not blind" in said.out
    raw, clean = io.load(movie_file), io.load(tmp_path / "out.h5")
    assert clean.domain == raw.domain
    assert float(np.abs(clean.frames - raw.frames).max()) > 0
    assert not (tmp_path / "runs").exists()


def test_a_network_is_trained_with_its_course_in_the_run_folder(operax, tmp_path):
    io.save(tmp_path / "movie.h5", decaying(rows=8, columns=8, frames=5))
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        said = operax("denoise", "movie.h5", "-o", "out.tif", "--steps", 2, "--run", "r")
    assert said.code == 0, said.err
    assert "operax: warning: out.tif does not keep variance" in said.err
    assert (tmp_path / "out.tif").exists()
    assert (tmp_path / "r" / "metrics.csv").read_text().splitlines()[1].startswith("denoise,2,")
    assert (tmp_path / "r" / "report.html").exists()


def test_a_changed_input_is_not_reported_again(operax, config_file, movie_file):
    config_file.write_text(CONFIG.split("[fit]")[0])
    assert operax("run", config_file, "--out", "r").code == 0
    io.save(movie_file, io.load(movie_file)[:6])
    said = operax("report", "r")
    assert said.code == 2
    assert "has changed since the run" in said.err


@pytest.mark.slow
def test_the_demo_finds_its_laws(operax, tmp_path):
    said = operax("demo", "--quick", "--out", "demo")
    assert said.code == 0, said.err
    assert said.out.count("yes") == 9
    assert "dB denoised" in said.out
    assert said.out.splitlines()[-1].split() == ["report", "demo/report.html"]
    assert operax("report", "demo").code == 0
    assert operax("run", "demo/config.toml", "--out", "again").code == 0
    assert same(tmp_path / "demo" / "fit.h5", tmp_path / "again" / "fit.h5")
