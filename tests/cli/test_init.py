"""Configs that `init` writes: they validate, name every key, and run through the pipeline of their instrument."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import imageio.v3 as images
import jax.numpy as jnp
import numpy as np
import pytest

from operax import io, synth
from operax.cli import config as configs
from operax.cli import instruments, say
from operax.cli.init import Modality
from operax.cli.stages import stage
from operax.domain import Domain
from operax.movie import Movie

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
TABLES = {"stxm": instruments.Stxm, "neutron": instruments.Neutron, "optical": instruments.Optical}


@pytest.fixture
def real():
    if not REAL.exists():
        pytest.skip("the recorded files are not beside the repository")
    return REAL


@pytest.mark.parametrize("modality", ["stxm", "neutron", "optical"])
def test_a_first_config_is_valid_and_names_every_key_of_its_instrument(operax, tmp_path, modality):
    (tmp_path / "movie.tif").write_bytes(b"")
    said = operax("init", modality, "--input", "movie.tif")
    assert said.code == 0, said.err
    assert said.out.split() == ["written", f"{modality}.toml"]
    path = tmp_path / f"{modality}.toml"
    found = configs.read(path)
    assert found.input.path == str(tmp_path / "movie.tif")
    assert found.instrument is not None
    assert type(found.instrument) is TABLES[modality]
    text = path.read_text("utf-8")
    for key in TABLES[modality].model_fields:
        assert f"{key} =" in text, key


@pytest.mark.parametrize("modality", ["stxm", "neutron", "optical"])
def test_what_is_commented_out_is_valid_too(operax, tmp_path, modality):
    assert operax("init", modality).code == 0
    path = tmp_path / f"{modality}.toml"
    blocks = path.read_text("utf-8").split("\n\n")
    tried = 0
    for n, block in enumerate(blocks):
        lines = block.splitlines()
        keys = [i for i, line in enumerate(lines) if re.match(r"# [a-z_]+ = ", line)]
        whole = re.search(r"^# \[", block, re.MULTILINE)
        # a table that is commented out comes with all its keys; of others, one key at a time
        for wanted in [keys] if whole else [[i] for i in keys]:
            wanted = {*wanted, *(i for i, line in enumerate(lines) if line.startswith("# ["))}
            held = [re.sub("^# ", "", line) if i in wanted else line for i, line in enumerate(lines)]
            path.write_text("\n\n".join([*blocks[:n], "\n".join(held), *blocks[n + 1 :]]), "utf-8")
            tried += 1
            said = ""
            try:
                configs.read(path)
            except ValueError as error:
                said = str(error)
            # some only make sense with others, or in place of others
            with_others = ("belong together", "go with", "Cannot overwrite", "give one of", "both say")
            assert not said or any(words in said for words in with_others), said
    assert tried > 5


def test_nothing_is_written_over(operax, tmp_path):
    (tmp_path / "stxm.toml").write_text("mine")
    assert "is there already" in operax("init", "stxm").err
    assert (tmp_path / "stxm.toml").read_text() == "mine"
    assert operax("init", "stxm", "--force").code == 0
    assert "there is no file 'nowhere.h5'" in operax("init", "stxm", "-o", "b.toml", "-i", "nowhere.h5").err
    assert "there is no folder 'nowhere'" in operax("init", "stxm", "-o", "nowhere/b.toml").err
    assert not (tmp_path / "b.toml").exists()


def test_the_simulated_config_has_its_movie_beside_it(operax, tmp_path):
    assert operax("init", "simulated", "--size", 16).code == 0
    found = configs.read(tmp_path / "simulated.toml")
    assert io.load(found.input.path).domain.shape == (16, 16)
    assert Modality.simulated in list(Modality)


def test_keys_given_on_the_command_line_are_over_those_of_the_file(tmp_path, config_file):
    over = {"fit": {"draws": 7}, "report": {"title": "x"}}
    found = configs.read(config_file, over)
    assert (found.fit.draws, found.report.title, found.prepare.profile) == (7, "x", "column")
    with pytest.raises(ValueError, match=r"decay.toml: line 12: \[fit\] `draws` must be at least 2, got 0"):
        configs.read(config_file, {"fit": {"draws": 0}})


def test_set_takes_toml_values(operax, config_file):
    for word, said in (("fit.draws", "must be table.key=value"), ("draws=3", "must be table.key=value")):
        assert said in operax("run", config_file, "--set", word).err
    assert "`--set fit.draws`: '[' is not a TOML value" in operax("run", config_file, "--set", "fit.draws=[").err
    assert "`seed` must be at least 0" in operax("run", config_file, "--seed", "-1").err


def test_cite_names_the_methods_that_were_used(operax, config_file):
    everything = operax("cite").out.splitlines()
    assert everything[0].startswith("The operax developers")
    used = operax("cite", config_file).out.splitlines()
    assert len(used) < len(everything)
    assert set(used) <= set(everything)
    assert any("diffrax" in line for line in used)
    assert not any("blind-spot" in line for line in used)


def test_words_are_completed():
    asked = {"_OPERAX_COMPLETE": "complete_bash", "COMP_WORDS": "operax de", "COMP_CWORD": "1"}
    code = "import sys; from operax.cli import main; sys.exit(main([]))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["demo", "denoise"]


def test_quiet_says_results_only(operax, config_file):
    config_file.write_text(config_file.read_text().split("[fit]")[0])
    quiet = operax("-q", "run", config_file, "--out", "a")
    assert (quiet.code, quiet.err) == (0, "")
    assert "report" in quiet.out
    assert "must be one of error, warning" in operax("--log-level", "loud", "info", "movie.h5").err


@pytest.mark.parametrize(("level", "lines"), [("error", 0), ("warning", 0), ("info", 1), ("debug", 2)])
def test_the_level_decides_how_much_is_said_of_a_stage(capsys, level, lines):
    say.set_level(level)
    with stage("fit", value="loss") as tick:
        tick(1, 60, 0.5)
    said = capsys.readouterr().err
    say.set_level("info")
    assert len(said.splitlines()) == lines
    assert ("step 1 of 60  loss 0.5" in said) == (level == "debug")


def test_stxm_at_two_energies_gives_the_lithium_fraction(operax, tmp_path):
    rng = np.random.default_rng(0)
    c = np.linspace(0.2, 0.8, 4)[:, None, None] * np.ones((4, 12, 10))
    thick = np.zeros((12, 10))
    thick[3:, 2:] = 0.8
    before, flux = 0.25, 4000.0
    for name, (full, empty) in zip(("first", "second"), synth.iron_edge(np.array([708.2, 710.2])).T):
        depth = thick * (c * full + (1 - c) * empty + before / 0.8)
        io.save(tmp_path / f"{name}.h5", Movie(rng.poisson(flux * np.exp(-depth)), np.arange(4), Domain((12, 10))))
    energies = np.linspace(700, 720, 81)
    for name, row in zip(synth.IRON_PHASES, synth.iron_edge(energies)):
        np.savetxt(tmp_path / f"{name}.txt", np.stack([energies, row], 1))
    spectra = ", ".join(f'{name} = "{name}.txt"' for name in synth.IRON_PHASES)
    (tmp_path / "a.toml").write_text(
        f'[input]\npath = "first.h5"\n[noise]\ngain = 1.0\n[stxm]\nspectra = {{{spectra}}}\n'
        f'energies = [708.2, 710.2]\nsecond = "second.h5"\nbefore = {before}\nleast = 0.3\n'
        "flux = {rows = [0, 3], columns = [0, 10]}\n[denoise]\nmethod = 'low-rank'\nrank = 1\n"
    )
    said = operax("run", "a.toml", "--out", "r")
    assert said.code == 0, said.err
    found = io.load(tmp_path / "r" / "composition.h5")
    assert (found.domain.inside == (thick > 0)).all()
    z = np.asarray((found.frames - c) / jnp.sqrt(found.variance))[:, thick > 0]
    assert abs(z.mean()) < 0.25
    assert 0.85 < z.std() < 1.2, "the variance is that of the error"
    clean = io.load(tmp_path / "r" / "composition-denoised.h5")
    raw_error, clean_error = (float(np.std(np.asarray(m.frames - c)[:, thick > 0])) for m in (found, clean))
    assert clean_error < 0.8 * raw_error
    assert (tmp_path / "r" / "denoised-1.h5").exists(), "both movies are denoised"
    state = json.loads((tmp_path / "r" / "run.json").read_text())
    assert len(state["inputs"]) == 4
    before = (tmp_path / "r" / "denoised.h5").stat().st_mtime_ns
    assert operax("run", "a.toml", "--out", "r", "--resume").code == 0
    assert (tmp_path / "r" / "denoised.h5").stat().st_mtime_ns == before
    assert operax("report", "r").code == 0


def test_neutron_counts_become_an_amount(operax, tmp_path):
    rng = np.random.default_rng(0)
    amount = np.linspace(0, 1, 5)[:, None, None] * np.linspace(0.2, 1, 12)[:, None] * np.ones((5, 12, 10))
    counts = {"sample": 400 * np.exp(-0.5 * amount), "open": np.full((8, 12, 10), 400.0), "dark": np.zeros((8, 12, 10))}
    for name, light in counts.items():
        seen = rng.poisson(light) + 50.0
        io.save(
            tmp_path / f"{name}.h5", Movie(seen, np.arange(len(seen)), Domain((12, 10)), units=("px", "frame", "1"))
        )
    (tmp_path / "a.toml").write_text(
        '[input]\npath = "sample.h5"\n[prepare]\nrows = [1, 11]\n[noise]\ngain = 1.0\noffset = 50.0\n'
        '[neutron]\nopen_beam = "open.h5"\ndark = "dark.h5"\nattenuation = 0.5\n'
        '[denoise]\nmethod = "temporal-mean"\n'
    )
    said = operax("run", "a.toml", "--out", "r")
    assert said.code == 0, said.err
    found = io.load(tmp_path / "r" / "composition.h5")
    assert found.units[2] == "amount"
    z = np.asarray((found.frames - amount[:, 1:11]) / jnp.sqrt(found.variance))
    assert 0.85 < z.std() < 1.2
    assert abs(z.mean()) < 0.3


def test_colours_become_a_composition(operax, tmp_path):
    rng = np.random.default_rng(0)
    light = np.full((4, 10, 12, 3), 0.4)
    light[:, :, 4:8] *= 1 + np.array([0.5, 0.0, 0.0])
    light[2:, :, 8:] *= 1 + np.array([0.9, 0.6, 0.1])
    coded = 255 * (1.055 * light ** (1 / 2.4) - 0.055) + rng.normal(0, 1.0, light.shape)
    (tmp_path / "frames").mkdir()
    for n, frame in enumerate(coded):
        images.imwrite(tmp_path / "frames" / f"{n}.png", np.clip(frame.round(), 0, 255).astype(np.uint8))
    (tmp_path / "a.toml").write_text(
        '[input]\npath = "frames"\nspacing = 1.0\ntimes = 1.0\n[optical]\nground = {rows = [0, 10], columns = [0, 4]}\n'
        'phases = [{name = "a", colour = [0, 0, 0], composition = 0.1},'
        '{name = "b", colour = [0.5, 0, 0], composition = 0.5},'
        '{name = "c", colour = [0.9, 0.6, 0.1], composition = 1.0}]\n'
    )
    said = operax("run", "a.toml", "--out", "r")
    assert said.code == 0, said.err
    found = np.asarray(io.load(tmp_path / "r" / "composition.h5").frames)
    np.testing.assert_allclose(found[:, :, :4], 0.1, atol=0.05)
    np.testing.assert_allclose(found[:, :, 4:8], 0.5, atol=0.05)
    np.testing.assert_allclose(found[2:, :, 8:], 1.0, atol=0.05)
    assert "No law was fitted" in (tmp_path / "r" / "report.html").read_text("utf-8")


RECORDED = {
    "stxm": (
        "stxm_fe_l23_als/71214078_raw.zip",
        "stxm.spectra={{reduced = '{0}/stxm_fe_l23_als/reduced.t', oxidized = '{0}/stxm_fe_l23_als/oxidized.t'}}",
        "stxm.lithiated='reduced'",
        "stxm.delithiated='oxidized'",
        "denoise.steps=50",
    ),
    "neutron": (
        "neutron_capillary_rise_psi/CapillaryRise.mp4",
        "input.channel='grey'",
        "prepare.rows=[20, 208]",
        "prepare.columns=[30, 158]",
        "prepare.frames=[2, 155]",
        "prepare.step=6",
        "neutron.reference={{rows = [30, 80], columns = [30, 158], frame = 0}}",
        "denoise.steps=50",
    ),
    "optical": (
        "optical_graphene_flakes",
        "input.dataset='*bf3ea93c.jpg'",
        "prepare.rows=[300, 700]",
        "prepare.columns=[600, 1100]",
        "optical.ground={{rows = [300, 340], columns = [600, 640]}}",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("modality", RECORDED)
def test_recorded_files_go_from_init_to_a_report(operax, tmp_path, real, modality):
    name, *words = RECORDED[modality]
    assert operax("init", modality, "--input", real / name).code == 0
    settings = [part for word in words for part in ("--set", word.format(real))]
    said = operax("run", f"{modality}.toml", "--out", "r", *settings)
    assert said.code == 0, said.err
    assert (tmp_path / "r" / "report.html").stat().st_size > 50_000
    found = io.load(tmp_path / "r" / "composition.h5")
    assert np.isfinite(np.asarray(found.frames)).all()
    assert operax("report", "r").code == 0


@pytest.mark.slow
def test_large_pictures_fit_into_memory(operax, tmp_path, real):
    """Six pictures of 2 MP in colour, all at once, took ten gigabytes and the process was killed."""
    assert operax("init", "optical", "--input", real / "optical_graphene_flakes").code == 0
    script = (
        "import resource; from operax.cli import main; assert main(['run', 'optical.toml', '--out', 'r']) == 0; "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    gigabytes = int(done.stdout.split()[-1]) / 2**20
    assert gigabytes < 4


@pytest.mark.slow
def test_the_recorded_water_wedge_has_its_thickness(operax, tmp_path, real):
    folder = real / "neutron_stepwedge_psi"
    (tmp_path / "a.toml").write_text(
        f'[input]\npath = "{folder}/exp20s_h2o.tif"\naxes = "yx"\nspacing = 0.04399\ntimes = [0.0]\n'
        'units = ["mm", "s", "counts"]\n[prepare]\nrows = [60, 700]\ncolumns = [620, 1300]\n'
        f'[neutron]\nopen_beam = "{folder}/exp20s_empty.tif"\ndark = "{folder}/exp20s_dc.tif"\nspots = 5.0\n'
        "empty = {rows = [300, 700], columns = [640, 800]}\nattenuation = 0.323\n"
    )
    said = operax("run", "a.toml", "--out", "r")
    assert said.code == 0, said.err
    found = np.asarray(io.load(tmp_path / "r" / "composition.h5").frames[0])
    steps = [(110, 195), (215, 315), (325, 420), (445, 540), (555, 640)]
    read = [np.median(found[a - 55 : b - 65, 370:610]) for a, b in steps]
    # published for this beam: 0.323 per millimetre and an intercept of 0.067
    np.testing.assert_allclose(read, np.array([2.5, 2.0, 1.5, 1.0, 0.5]) + 0.067 / 0.323, atol=0.05)
