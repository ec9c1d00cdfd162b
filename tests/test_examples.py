"""The examples on recorded data, run as a user runs them; skipped where the recorded files are absent."""

import json
from pathlib import Path

import numpy as np
import pytest

import operax as ox
from operax.cli import config, main
from operax.report.fronts import follow

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))


def recorded(example: Path) -> Path:
    path = config.read(example).input.path
    path = path if Path(path).is_absolute() else example.parent / path
    if not Path(path).exists():
        pytest.skip(f"the recorded file {Path(path).name} is not beside the repository")
    return Path(path)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_config_is_understood_and_its_file_opens(example, capsys):
    path = recorded(example)
    assert main(["info", str(path)]) == 0
    assert path.name in capsys.readouterr().out


@pytest.mark.slow
def test_capillary_rise(tmp_path):
    example = ROOT / "examples" / "capillary_rise.toml"
    recorded(example)
    run = tmp_path / "run"
    assert main(["run", str(example), "--out", str(run)]) == 0
    page = (run / "report.html").read_text("utf-8")
    assert "The pixel size is not known" in page
    arrays, attributes = ox.io.read_arrays(run / "fit.h5")
    assert "converged" in json.dumps(attributes)
    predicted = ox.load(run / "predicted.h5")
    front = follow(predicted)
    assert float(front.slope) == pytest.approx(2.3, abs=0.5), "px per root frame, as the raw movie shows"
    assert np.isfinite(predicted.frames).all()


@pytest.mark.slow
def test_energy_stack_is_denoised_and_its_noise_called_correlated(tmp_path):
    example = ROOT / "examples" / "stxm_energy_stack.toml"
    path = recorded(example)
    run = tmp_path / "run"
    assert main(["run", str(example), "--out", str(run)]) == 0
    raw, denoised = ox.load(path), ox.load(run / "denoised.h5")
    assert denoised.axis == "energy"
    assert denoised.frames.shape == raw.frames.shape
    page = (run / "report.html").read_text("utf-8")
    assert "not white" in page
