"""A table of bad input: each kind gives exit code 2, one clear message, and leaves nothing half written."""

import os
import subprocess
import sys

import h5py
import imageio_ffmpeg
import numpy as np
import pytest
import tifffile
from decay import CONFIG, decaying

from operax import io

RNG = np.random.default_rng(0)
DIFFUSION = ("--equation", "diffusion", "--diffusivity", "{value=0.05, factor=3}", "--out", "out")
DENOISE = ("-o", "clean.h5", "--method", "temporal-mean")


def _movie(change=None):
    """movie.h5, with one of its fields changed after writing."""
    io.save("movie.h5", decaying())
    if change is not None:
        with h5py.File("movie.h5", "r+") as file:
            change(file["entry/movie"])


def _replaced(name, values):
    def change(group):
        units = group[name].attrs["units"] if name in group else b"1"
        if name in group:
            del group[name]
        group[name] = values
        group[name].attrs["units"] = units

    return change


def _nan(group):
    frames = group["frames"][...]
    frames[3, 2, 1] = np.nan
    _replaced("frames", frames)(group)


def _array(shape, dtype=np.float32):
    np.save("movie.npy", RNG.normal(size=shape).astype(dtype))


def _config(text, encoding="utf-8"):
    _movie()
    with open("config.toml", "wb") as file:
        file.write(text.encode(encoding))


def truncated():
    _movie()
    os.truncate("movie.h5", os.path.getsize("movie.h5") // 2)
    return "denoise", "movie.h5", *DENOISE


def wrong_axis_order():
    _array((8, 12, 5))
    return "denoise", "movie.npy", *DENOISE, "--axes", "tyxc", "--spacing", "1", "--times", "1"


def nan_frames():
    _movie(_nan)
    return "denoise", "movie.h5", *DENOISE


def negative_spacing():
    _movie()
    return "denoise", "movie.h5", *DENOISE, "--spacing", "-0.1", "--units", "mm,s,1"


def spacing_that_is_no_number():
    _movie()
    return "denoise", "movie.h5", *DENOISE, "--spacing", "small"


def unsorted_times():
    _movie(_replaced("time", np.array([0.0, 1, 3, 2, 4, 5, 6, 7])))
    return "denoise", "movie.h5", *DENOISE


def too_few_times():
    _movie()
    return "denoise", "movie.h5", *DENOISE, "--times", "0,1,2", "--units", "mm,s,1"


def mask_of_another_shape():
    _movie()
    np.save("mask.npy", np.ones((4, 4)))
    return "denoise", "movie.h5", *DENOISE, "--mask", "mask.npy"


def mask_without_a_pixel():
    _movie()
    np.save("mask.npy", np.zeros((12, 5)))
    return "denoise", "movie.h5", *DENOISE, "--mask", "mask.npy"


def colour_where_grey_is_needed():
    _array((8, 12, 5, 3))
    return "denoise", "movie.npy", *DENOISE, "--axes", "tyxc", "--spacing", "1", "--times", "1"


def no_such_channel():
    _array((8, 12, 5, 3))
    return "denoise", "movie.npy", *DENOISE, "--axes", "tyxc", "--spacing", "1", "--times", "1", "--channel", "5"


def empty_movie():
    _array((0, 12, 5))
    return "denoise", "movie.npy", *DENOISE, "--axes", "tyx", "--spacing", "1", "--times", "1"


def empty_file():
    open("movie.tif", "w").close()
    return "denoise", "movie.tif", *DENOISE


def values_that_are_not_numbers():
    np.save("movie.npy", np.full((8, 12, 5), "a"))
    return "denoise", "movie.npy", *DENOISE, "--axes", "tyx", "--spacing", "1", "--times", "1"


def constant_movie():
    np.save("movie.npy", np.ones((8, 12, 5)))
    return "denoise", "movie.npy", *DENOISE, "--axes", "tyx", "--spacing", "1", "--times", "1"


def two_frames_without_noise():
    _array((2, 12, 5))
    return "denoise", "movie.npy", *DENOISE, "--axes", "tyx", "--spacing", "1", "--times", "1"


def not_what_the_suffix_says():
    with open("movie.h5", "w") as file:
        file.write("frames, many of them")
    return "info", "movie.h5"


def of_no_known_kind():
    with open("movie.xyz", "w") as file:
        file.write("frames, many of them")
    return "info", "movie.xyz"


def plain_tiff_without_spacing():
    tifffile.imwrite("movie.tif", RNG.integers(0, 99, (8, 12, 5)).astype(np.uint8), photometric="minisblack")
    return "denoise", "movie.tif", *DENOISE, "--axes", "tyx", "--times", "1"


def video_without_times():
    made = ("-f", "lavfi", "-i", "testsrc=size=32x32:rate=5:duration=1", "movie.mp4")
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *made], check=True, capture_output=True)
    return "denoise", "movie.mp4", *DENOISE, "--spacing", "1", "--channel", "0"


def crop_outside_the_frame():
    _movie()
    return "denoise", "movie.h5", *DENOISE, "--rows", "4,90"


def crop_the_wrong_way_round():
    _movie()
    return "denoise", "movie.h5", *DENOISE, "--frames", "6,2"


def crop_of_an_axis_that_is_not_there():
    io.save("movie.h5", decaying().mean("column"))
    return "denoise", "movie.h5", *DENOISE, "--columns", "0,2"


def unknown_output_suffix():
    _movie()
    return "denoise", "movie.h5", "-o", "clean.mp4"


def output_in_no_folder():
    _movie()
    return "denoise", "movie.h5", "-o", "nowhere/clean.h5"


def option_of_another_method():
    _movie()
    return "denoise", "movie.h5", *DENOISE, "--rank", "2"


def even_width():
    _movie()
    return "denoise", "movie.h5", *DENOISE, "--width", "4"


def network_on_a_profile():
    io.save("movie.h5", decaying().mean("column"))
    return "denoise", "movie.h5", "-o", "clean.h5", "--run", "out"


def one_frame_to_fit():
    io.save("movie.h5", decaying()[:1])
    return "fit", "movie.h5", *DIFFUSION, "--noise-std", "0.02"


def energy_stack_to_fit():
    _array((8, 12, 5))
    where = ("--axes", "eyx", "--spacing", "1", "--times", "1", "--units", "um,eV,1")
    return "fit", "movie.npy", *DIFFUSION, *where


def states_of_another_shape():
    _movie()
    io.save("states.h5", decaying(rows=6))
    return "fit", "movie.h5", *DIFFUSION, "--states", "states.h5"


def window_longer_than_the_movie():
    _movie()
    return "fit", "movie.h5", *DIFFUSION, "--window", "99"


def nothing_unknown_to_fit():
    _movie()
    return "fit", "movie.h5", "--equation", "diffusion", "--diffusivity", "0.05", "--out", "out"


def unknown_equation():
    _movie()
    return "fit", "movie.h5", "--equation", "cahn-hillard", "--out", "out"


def law_that_is_no_toml():
    _movie()
    return "fit", "movie.h5", "--equation", "diffusion", "--diffusivity", "{value=", "--out", "out"


def law_that_is_missing():
    _movie()
    return "fit", "movie.h5", "--equation", "cahn-hilliard", "--kappa", "2e-3", "--out", "out"


def constant_kappa_that_is_negative():
    _movie()
    return "fit", "movie.h5", "--equation", "cahn-hilliard", "--kappa", "-1.0", "--out", "out"


def folder_with_other_files():
    _movie()
    os.mkdir("out")
    open("out/thesis.txt", "w").close()
    return "fit", "movie.h5", *DIFFUSION


def folder_that_is_a_file():
    _movie()
    open("out.txt", "w").close()
    return "fit", "movie.h5", *DIFFUSION[:-1], "out.txt/run"


def config_not_utf8():
    _config(CONFIG + '\n[report]\ntitle = "Größe"\n', "latin-1")
    return "run", "config.toml", "--out", "out"


def config_broken():
    _config(CONFIG.replace('"diffusion"', '"diffusion'))
    return "run", "config.toml", "--out", "out"


def config_unknown_key():
    _config(CONFIG.replace("equation =", "equaton ="))
    return "run", "config.toml", "--out", "out"


def config_unknown_table():
    _config(CONFIG.replace("[prepare]", "[prepared]"))
    return "run", "config.toml", "--out", "out"


def config_wrong_type():
    _config(CONFIG.replace("draws = 50", 'draws = "50"'))
    return "run", "config.toml", "--out", "out"


def config_of_nothing():
    _config('[input]\npath = "movie.h5"\n')
    return "run", "config.toml", "--out", "out"


def config_without_its_movie():
    _config(CONFIG.replace("movie.h5", "moovie.h5"))
    return "run", "config.toml", "--out", "out"


def report_of_no_run():
    os.mkdir("out")
    return "report", "out"


def report_of_a_damaged_run():
    os.mkdir("out")
    with open("out/run.json", "w") as file:
        file.write('{"state": "finished"}')
    return "report", "out"


def init_over_a_file():
    _config("mine")
    return "init", "stxm", "-o", "config.toml"


def cite_of_no_run():
    os.mkdir("out")
    return "cite", "out"


def resume_without_a_folder():
    _movie()
    return "denoise", "movie.h5", *DENOISE, "--resume"


def key_without_a_table():
    _config(CONFIG)
    return "run", "config.toml", "--set", "draws=3"


def instrument(text):
    """A config of an instrument that its movie does not fit."""

    def prepare():
        _config('[input]\npath = "movie.h5"\n' + text)
        for name in ("a.txt", "b.txt"):
            np.savetxt(name, [[700.0, 1.0], [701.0, 2.0]])
        return "run", "config.toml", "--out", "out"

    return prepare


SPECTRA = 'spectra = {LiFePO4 = "a.txt", FePO4 = "b.txt"}'
PHASES = 'phases = [{name = "a", colour = [0], composition = 0}, {name = "b", colour = [1], composition = 1}]'
GROUND = "ground = {rows = [0, 2], columns = [0, 5]}"

TABLE = {
    report_of_a_damaged_run: "is damaged",
    init_over_a_file: "is there already",
    cite_of_no_run: "there is no config file",
    resume_without_a_folder: "name it with `--run`",
    key_without_a_table: "must be table.key=value",
    (lambda: ("init", "xray")): "'xray' is not one of",
    (lambda: ("init", "neutron", "-i", "nowhere")): "there is no file 'nowhere'",
    (lambda: ("init", "simulated", "--size", "3")): "'--size'",
    (lambda: ("--log-level", "loud", "info", "x")): "must be one of error, warning, info, debug",
    instrument("[stxm]\n" + SPECTRA): "[stxm] needs an energy stack",
    instrument(f"[stxm]\n{SPECTRA}\nenergies = [1, 2]"): "`energies` and `second` belong together",
    instrument(f"[stxm]\n{SPECTRA}\nlithiated = 'LCO'"): "`spectra` must have a file for 'LCO'",
    instrument("[neutron]"): "give `open_beam`, or a `reference`",
    instrument("[neutron]\nreference = 99"): "`reference` must be among the 8 frames",
    instrument(
        "[neutron]\nreference = {rows = [0, 99], columns = [0, 2]}"
    ): "`reference` must lie in what [prepare] keeps",
    instrument("[neutron]\nopen_beam = 'nowhere.h5'"): "there is no file",
    instrument("[neutron]\nreference = 0\nelement = 'Li'"): "`element` and `thickness` belong together",
    instrument("[neutron]\nreference = 0\nthickness = 1\nelement = 'Xx'"): "Xx",
    instrument(f"[optical]\n{PHASES}"): "give one of `ground`",
    instrument(f"[optical]\n{PHASES}\nground = {{rows = [0, 99], columns = [0, 5]}}"): "`ground` must lie in",
    instrument(
        f"[optical]\nfull = 1\n{GROUND}\n" + PHASES.replace("[0]", "[0, 0]").replace("[1]", "[1, 1]")
    ): "the movie 1",
    instrument(f"[optical]\n{PHASES}\n{GROUND}\n[neutron]\nreference = 0"): "exclude each other",
    (lambda: ("denoise", "movie.h5", *DENOISE)): "there is no file",
    truncated: "truncated",
    wrong_axis_order: "`axes` must name the 3 axes of shape (8, 12, 5)",
    nan_frames: "1 values are NaN or infinite, the first in frame 3",
    negative_spacing: "`spacing` must be positive and finite",
    spacing_that_is_no_number: "`--spacing` must be a number",
    unsorted_times: "strictly increasing; entry 3 is 2 after 3",
    too_few_times: "`times` must have one entry for each of 8 frames",
    mask_of_another_shape: "`inside` must have the domain's shape (12, 5), got (4, 4)",
    mask_without_a_pixel: "marks no pixel at all",
    colour_where_grey_is_needed: "pick one by `channel`",
    no_such_channel: "`channel` must be 0 to 2",
    empty_movie: "holds no frame",
    empty_file: "the file is empty",
    values_that_are_not_numbers: "a movie is made of real numbers",
    constant_movie: "no noise to measure",
    two_frames_without_noise: "at least 3 frames",
    not_what_the_suffix_says: "is named as HDF5 but does not begin as one",
    of_no_known_kind: "is of no known kind",
    plain_tiff_without_spacing: "pass `spacing=`",
    video_without_times: "pass `times=`",
    crop_outside_the_frame: "0 <= first < end <= 12, got [4, 90]",
    crop_the_wrong_way_round: "`frames` must be [first, end)",
    crop_of_an_axis_that_is_not_there: "`columns` cannot be cut",
    unknown_output_suffix: "movies are written to .h5",
    output_in_no_folder: "there is no folder 'nowhere'",
    option_of_another_method: "unknown key `--rank`",
    even_width: "must be an odd number of frames",
    network_on_a_profile: "two space axes",
    one_frame_to_fit: "at least two frames",
    energy_stack_to_fit: "runs along energy",
    states_of_another_shape: "`states` must show the same frames",
    window_longer_than_the_movie: "`window` must be a number of frames from 2 to 8",
    nothing_unknown_to_fit: "has no unknown number",
    unknown_equation: "did you mean `cahn-hilliard`?",
    law_that_is_no_toml: "is not a TOML value",
    law_that_is_missing: "`--mobility` is required",
    constant_kappa_that_is_negative: "`--kappa` must be above 0",
    folder_with_other_files: "holds other files and no operax run",
    folder_that_is_a_file: "is a file, not a folder",
    config_not_utf8: "line 18: is not UTF-8",
    config_broken: "is not valid TOML: Illegal character",
    config_unknown_key: "line 13: [fit] unknown key `equaton`",
    config_unknown_table: "line 5: unknown table [prepared] (did you mean `prepare`?)",
    config_wrong_type: "line 15: [fit] `draws` must be a whole number, got '50'",
    config_of_nothing: "there is nothing to do",
    config_without_its_movie: "similar names there: movie.h5",
    report_of_no_run: "is no run folder",
    (lambda: ("fit",)): "Missing argument",
    (lambda: ("info", "x", "--nonsense")): "No such option: --nonsense",
}


def files():
    return {os.path.join(folder, name) for folder, _, names in os.walk(".") for name in names}


@pytest.mark.parametrize("prepare", TABLE, ids=lambda f: f.__name__.strip("<>"))
def test_bad_input_is_refused_in_one_message(operax, prepare):
    words = prepare() if prepare else ()
    before = files()
    said = operax(*words)
    assert said.code == 2, said
    message = said.err[said.err.index("operax: error: ") :]
    assert TABLE[prepare] in message
    assert message.count("\n") <= 9
    assert "Traceback" not in said.err
    assert "Error" not in message  # no names of exceptions
    assert files() == before


@pytest.mark.parametrize("prepare", [truncated, config_unknown_key], ids=lambda f: f.__name__)
def test_the_real_command_shows_no_traceback(operax, prepare, tmp_path):
    words = prepare()
    command = [sys.executable, "-c", "import sys; from operax.cli import main; sys.exit(main())", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert TABLE[prepare] in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_shows_where_an_error_comes_from(operax):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        operax("info", "nowhere.h5", "--debug")


def test_the_table_is_long_enough():
    assert len(TABLE) >= 60
