import subprocess
import sys
from importlib import metadata, resources

import jax.numpy as jnp
import numpy as np
import pytest

from operax import io
from operax.io.napari import reader
from operax.movie import Movie


def test_layers_carry_spacing_names_and_what_belongs_to_the_movie(movie, plain):
    frames, deviation, particles = io.to_napari(movie, "cell")
    np.testing.assert_array_equal(frames[0], movie.frames)
    assert (frames[1]["name"], frames[2]) == ("cell", "image")
    assert frames[1]["scale"] == (1.0, 0.1, 0.3)  # times are not even
    assert frames[1]["axis_labels"] == ("time", "row", "column")
    np.testing.assert_array_equal(frames[1]["metadata"]["times"], np.asarray(movie.times))
    assert "units" not in frames[1]
    np.testing.assert_allclose(deviation[0] ** 2, movie.variance, rtol=1e-5)
    assert deviation[1]["visible"] is False
    assert particles[2] == "labels"
    np.testing.assert_array_equal(particles[0][0], movie.domain.inside)
    even = plain.replace(times=jnp.arange(4.0) * 0.5)
    ((_, settings, _),) = io.to_napari(even)
    assert settings["scale"] == (0.5, 0.1, 0.3)
    assert settings["units"] == ("s", "um", "um")


def test_colours_become_layers(plain):
    colour = Movie(jnp.ones((4, 6, 8, 3)) * jnp.arange(3), plain.times, plain.domain)
    layers = io.to_napari(colour, "seen")
    assert [layer[1]["name"] for layer in layers] == [f"seen, channel {n}" for n in range(3)]
    assert [float(layer[0].max()) for layer in layers] == [0, 1, 2]
    assert all(layer[0].shape == (4, 6, 8) for layer in layers)


def test_the_reader_takes_its_own_files_only(plain, tmp_path):
    io.save(tmp_path / "a.h5", plain)
    read = reader(str(tmp_path / "a.h5"))
    assert read is not None
    ((frames, settings, kind),) = read(str(tmp_path / "a.h5"))
    np.testing.assert_array_equal(frames, plain.frames)
    assert (settings["name"], kind) == ("a", "image")
    assert reader("a.docx") is None
    assert reader(["a.h5", "b.h5"]) is None


def test_the_manifest_is_found_without_importing_jax():
    """What napari does when it starts: entry point, module, file."""
    code = (
        "import sys; from importlib.util import find_spec; from pathlib import Path\n"
        "spec = find_spec('operax'); text = (Path(spec.origin).parent / 'napari.yaml').read_text()\n"
        "assert 'operax.io.napari:reader' in text\n"
        "import operax\n"
        "loaded = {'jax', 'qtpy', 'PyQt5', 'PySide6', 'napari'} & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert resources.files("operax").joinpath("napari.yaml").is_file()
    found = [entry.value for entry in metadata.entry_points(group="napari.manifest") if entry.name == "operax"]
    assert found in ([], ["operax:napari.yaml"])  # none where an older installation is in place


def test_npe2_reads_with_the_manifest(plain, tmp_path):
    npe2 = pytest.importorskip("npe2", reason="npe2, napari's plugin engine, is not installed")
    manifest = npe2.PluginManifest.from_file(str(resources.files("operax").joinpath("napari.yaml")))
    manager = npe2.PluginManager.instance()
    if "operax" not in manager:
        manager.register(manifest)
    io.save(tmp_path / "a.h5", plain)
    ((frames, *_),) = npe2.read([str(tmp_path / "a.h5")], stack=False, plugin_name="operax")
    np.testing.assert_array_equal(frames, plain.frames)
