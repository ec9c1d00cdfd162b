"""Damaged files and hostile words: each is refused with a message, and nothing is half written."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import fuzz

    return fuzz


@pytest.mark.parametrize("reader", ["hdf5", "nexus", "tiff", "fits", "pictures", "numpy", "xim"])
def test_damaged_files_are_read_or_refused(fuzz, reader, tmp_path, monkeypatch):
    from fuzzing.files import READERS

    (tmp_path / "samples").mkdir()
    samples = READERS[reader](tmp_path / "samples")
    for number in range(25):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        _, code, said = fuzz.reader_case(samples, reader, folder, np.random.default_rng([9, number]))
        assert not fuzz.judged("reader", code, said, folder, 0.0), (number, said)


@pytest.mark.parametrize("verb", ["info", "init", "demo"])
def test_hostile_words_are_refused(fuzz, verb, tmp_path, monkeypatch):
    from fuzzing.verbs import movie

    from operax import io

    monkeypatch.chdir(tmp_path)
    io.save(tmp_path / "movie.h5", movie())
    for number in range(15):
        words, code, said = fuzz.verb_case(verb, tmp_path, np.random.default_rng([9, number]))
        assert not fuzz.judged("verb", code, said, tmp_path, 0.0), (words, said)


def test_a_defect_a_hang_and_a_torn_file_would_be_seen(fuzz, tmp_path):
    assert "ended with 1" in fuzz.judged("verb", 1, "KeyError: 'x' (a defect of operax; ...)", tmp_path, 0.0)
    assert "took 11 s" in fuzz.judged("verb", 2, "operax: error: no.", tmp_path, 11.0)
    assert "without a word" in fuzz.judged("verb", 2, "", tmp_path, 0.0)
    (tmp_path / ".a.h5.12.part").write_text("")
    assert "was left behind" in fuzz.judged("verb", 0, "", tmp_path, 0.0)


@pytest.mark.slow
def test_every_reader_and_verb_stands_hundreds_of_cases(tmp_path):
    out = tmp_path / "out.json"
    words = [sys.executable, str(FOLDER / "fuzz.py"), "--readers", "200", "--verbs", "40", "--seed", "1"]
    subprocess.run([*words, "--out", str(out)], check=True, timeout=3000)
    found = json.loads(out.read_text())["targets"]
    assert len(found) == 16
    assert not {name: target["faults"] for name, target in found.items() if target["faults"]}
