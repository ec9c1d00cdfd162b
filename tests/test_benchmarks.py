"""The benchmarks run at toy size, and read a time off a work–precision curve as they say."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def time_at(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("solve", FOLDER / "solve.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.time_at


def test_time_at_an_error_follows_a_power_law(time_at):
    # order two: twice the steps, twice the seconds, a quarter of the error
    curve = [(n, 1.0 / n**2, (n, 3 * n, 2 * n)) for n in (1, 2, 4, 8)]
    seconds, beyond = time_at(curve, 1 / 9)
    assert seconds == pytest.approx(6)
    assert not beyond
    assert time_at(curve, 1 / 9, 0)[0] == pytest.approx(3)
    assert time_at(curve, 4.0) == (2, False), "never less than the coarsest run"
    seconds, beyond = time_at(curve, 1e-4)
    assert seconds == pytest.approx(200)
    assert beyond


def test_time_at_an_error_that_no_number_of_steps_reaches_is_infinite(time_at):
    assert time_at([(1, 1e-2, (1.0,)), (2, 1e-2, (2.0,))], 1e-4) == (math.inf, True)


@pytest.mark.slow
@pytest.mark.parametrize("script", ["solve", "gradient", "steps", "masks"])
def test_script_runs_at_toy_size(script, tmp_path):
    out = tmp_path / "out.json"
    subprocess.run(
        [sys.executable, str(FOLDER / f"{script}.py"), "--quick", "--out", str(out)], check=True, timeout=900
    )
    record = json.loads(out.read_text())
    assert {"versions", "machine"} <= set(record)
