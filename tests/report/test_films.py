import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from operax import io
from operax.domain import Domain
from operax.movie import Movie
from operax.noise import Gaussian
from operax.report import plot


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(0)
    clean = np.linspace(0, 1, 12)[None, :, None] * np.linspace(0.2, 1, 5)[:, None, None] * np.ones((5, 12, 16))
    fit = Movie(clean, jnp.arange(5.0), Domain((12, 16), 0.1), units=("um", "h", "Li fraction"))
    return {"raw": fit.replace(frames=fit.frames + 0.1 * rng.normal(size=clean.shape)), "fit": fit}


def test_a_film_holds_every_frame_in_even_sizes(scene, tmp_path):
    path = plot.film(scene, tmp_path / "a.mp4", predicted="fit", noise=Gaussian(0.1), rate=5)
    found = io.load(path, times=1.0, spacing=1.0)
    assert found.frames.shape[0] == 5
    assert found.frames.shape[1] % 2 == found.frames.shape[2] % 2 == 0
    # the scene grows brighter, and the film with it
    assert float(found.frames[4].mean()) > float(found.frames[0].mean()) + 3


def test_a_gif_plays_at_the_rate_asked_for(scene, tmp_path):
    with Image.open(plot.film(scene, tmp_path / "a.gif", rate=4)) as found:
        assert found.n_frames == 5
        assert found.info["duration"] == 250


def test_refusals_leave_no_file(scene, tmp_path):
    with pytest.raises(ValueError, match=r"a film is written to \.mp4 or \.gif, got `path`"):
        plot.film(scene, tmp_path / "a.avi")
    with pytest.raises(ValueError, match="`rate` must be positive"):
        plot.film(scene, tmp_path / "a.gif", rate=0)
    with pytest.raises(FileNotFoundError, match="make it before writing"):
        plot.film(scene, tmp_path / "missing" / "a.gif")
    with pytest.raises(ValueError, match=r"must have one size, got \(4, 4, 3\), \(4, 6, 3\)"):
        io.write_video(tmp_path / "a.gif", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)], 5)
    with pytest.raises(ValueError, match="there is no frame to write"):
        io.write_video(tmp_path / "a.gif", [], 5)
    assert list(tmp_path.iterdir()) == []
