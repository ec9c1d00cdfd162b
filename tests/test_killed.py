"""Work that is killed with SIGKILL, again and again, goes on and ends with the same bits; so do two runs."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import operax as ox

SCRIPT = Path(__file__).with_name("unbroken.py")
# How often each work is killed.
TRIALS = {"save": 9, "train": 9, "fit": 7, "ensemble": 5, "run": 3}
STEP = re.compile(r"step (\d+)")
# Killed work spends its time on compiling: all of its processes compile fast code no further than they must.
HASTY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_max_isa=SSE4_2"


def started(work: str, folder: Path, flags: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-u", str(SCRIPT), work, str(folder)],
        env={**os.environ, "XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(work: str, folder: Path, flags: str = HASTY) -> dict[str, np.ndarray]:
    """What the work comes to when it is left alone."""
    folder.mkdir(exist_ok=True)
    worker = started(work, folder, flags)
    said, _ = worker.communicate(timeout=3000)
    assert worker.returncode == 0, said[-2000:]
    with np.load(folder / "ended.npz") as file:
        return {name: file[name] for name in file.files}


def killed(work: str, folder: Path, rng) -> int:
    """Kill the work shortly after one of its first steps; the number that this step had, 0 where it ended before."""
    worker = started(work, folder, HASTY)
    wanted, number = int(rng.integers(1, 3)), 0
    assert worker.stdout is not None
    said = []
    for line in worker.stdout:
        said.append(line)
        if found := STEP.search(line):
            number, wanted = int(found[1]), wanted - 1
            if not wanted:
                break
    time.sleep(float(rng.uniform(0, 0.03)))
    worker.kill()
    worker.communicate()
    assert worker.returncode in (0, -9), "".join(said)[-2000:]
    return number if worker.returncode else 0


def whole(folder: Path) -> None:
    """Every file that the work keeps opens."""
    for path in folder.rglob("*.h5"):
        if path.name.startswith("."):
            continue  # what the killed process was writing
        ox.info(path)
        if path.name == "movie.h5":
            frames = np.asarray(ox.load(path).frames)
            assert path.parent.name == "run" or np.isfinite(frames).all()
        elif "denois" not in path.name and "predicted" not in path.name:
            ox.io.read_arrays(path)
    for path in folder.rglob("*.npz"):
        if not path.name.startswith("."):
            with np.load(path) as file:
                [file[name] for name in file.files]


def same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("work", [work for work in TRIALS if work != "save"])
def test_killed_work_goes_on_and_ends_with_the_same_bits(work, tmp_path):
    rng = np.random.default_rng(len(work))
    expected = ended(work, tmp_path / "unbroken")
    folder = tmp_path / "killed"
    folder.mkdir()
    kills = 0
    while kills < TRIALS[work]:
        if killed(work, folder, rng):
            kills += 1
            whole(folder)
        else:  # it got to its end between two kills: compare, and begin anew
            same(ended(work, folder), expected)
            shutil.rmtree(folder)
            folder.mkdir()
    same(ended(work, folder), expected)


@pytest.mark.slow
def test_a_file_that_is_being_saved_is_whole_at_any_time(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(TRIALS["save"]):
        number = killed("save", tmp_path, rng)
        assert number
        frames = np.asarray(ox.load(tmp_path / "movie.h5").frames)
        assert (frames == frames.flat[0]).all()
        assert frames.flat[0] >= number


@pytest.mark.slow
@pytest.mark.parametrize("work", ["train", "fit", "ensemble", "sample", "run"])
def test_two_processes_give_the_same_bits(work, tmp_path):
    same(ended(work, tmp_path / "first", flags=""), ended(work, tmp_path / "second", flags=""))
