"""Every Python block of the pages: it compiles, what it names is there, and it runs, page by page, as it is printed.

A page's blocks share their variables, as a reader's would. What a page takes for given (a raw movie, a fit) is made by
`GIVEN`. Calls for a cluster or many processes are checked against their signature and not carried out.
"""

import ast
import inspect
import re
import sys
import types
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tifffile
from PIL import Image

import operax as ox

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = {page.name: found for page in PAGES if (found := BLOCK.findall(page.read_text("utf-8")))}
# More than a few seconds: with the slow tests.
LONG = {
    "README.md",
    "denoising.md",
    "equations.md",
    "interoperability.md",
    "neutron.md",
    "optical.md",
    "report.md",
    "scaling.md",
    "stxm.md",
    "uncertainty.md",
}


def chains(tree):
    """Dotted names that begin with ``ox``, as lists of words."""
    for node in ast.walk(tree):
        words, here = [], node
        while isinstance(here, ast.Attribute):
            words.append(here.attr)
            here = here.value
        if words and isinstance(here, ast.Name) and here.id == "ox":
            yield words[::-1]


@pytest.mark.parametrize("page", BLOCKS)
def test_what_a_page_names_is_there(page):
    for block in BLOCKS[page]:
        for words in chains(ast.parse(block)):
            thing = ox
            for word in words:
                assert hasattr(thing, word), f"{page} names ox.{'.'.join(words)}, and there is no {word}"
                thing = getattr(thing, word)
                if not isinstance(thing, types.ModuleType | type):
                    break


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_shows_are_there(page):
    text = page.read_text("utf-8")
    shown = re.findall(r"\{literalinclude\} (\S+)", text) + re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    missing = [name for name in shown if not (page.parent / name).is_file()]
    assert not missing, f"{page.name} shows {', '.join(missing)}"


def particle(real):
    """A raw movie as `particle.h5`, 16² for ten frames."""
    domain = ox.Domain((16, 16), 0.01, "periodic")
    made = ox.synth.cahn_hilliard(
        domain, 2e-3 * np.arange(11), key=jax.random.key(5), noise=ox.noise.Gaussian(0.02), dt=5e-4
    )
    ox.save("particle.h5", made.noisy)
    return {}


def fitted_diffusion(real):
    """A movie of diffusion in 8² pixels, its fit and posterior."""
    domain, times = ox.Domain((8, 8), 0.25), jnp.arange(5.0)
    c0 = jnp.asarray(0.5 + 0.4 * np.cos(np.pi * (np.arange(8) + 0.5) / 8)[:, None] * np.ones(8))
    clean = ox.simulate(ox.Diffusion(0.05), c0, times, domain).replace(units=("um", "s", "Li fraction"))
    noise = 0.02 * np.random.default_rng(0).normal(size=clean.frames.shape)
    movie = clean.replace(frames=clean.frames + noise)
    problem = ox.Problem(movie, noise=ox.noise.Gaussian(0.02))
    best = ox.fit(ox.Diffusion(ox.laws.positive(0.05, factor=3)), problem)
    key = jax.random.key(0)
    return {"movie": movie, "problem": problem, "best": best, "key": key,
            "posterior": ox.laplace(best, problem, key=key)}  # fmt: skip


def hosts(real):
    """Times and a start for an intercalation run."""
    domain = ox.Domain((8, 8), 0.1)
    return {"domain": domain, "c0": jnp.full((8, 8), 0.2), "times": jnp.linspace(0, 0.2, 3)}


def stack(real):
    """A recorded stack, and its reference spectra under the names of the page."""
    folder = real("stxm_fe_l23_als")
    Path("71214078_raw.zip").symlink_to(folder / "71214078_raw.zip")
    for name, held in (("lfp.txt", "reduced.t"), ("fp.txt", "oxidized.t")):
        Path(name).symlink_to(folder / held)
    return {}


def radiographs(real):
    """Folders of counts, a TIFF a frame: sample, open beam, dark."""
    made = ox.synth.neutron_cell(key=jax.random.key(0), size=24, width=24, frames=12, references=5)
    for name, counts in (("sample", made.sample), ("open", made.open_beam), ("dark", made.dark)):
        Path(name).mkdir()
        for n, frame in enumerate(np.asarray(counts.frames)):
            tifffile.imwrite(f"{name}/{n:03d}.tif", frame.astype(np.float32))
    return {"noise": made.noise, "empty": np.arange(24)[None] < 4 * np.ones((24, 1))}


def coloured(real):
    """Pictures of one red and one gold flake on grey."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:48, :64]
    scene = np.full((48, 64, 3), 110.0)
    for at, colour in ((18, (135, 108, 105)), (46, (150, 138, 112))):
        scene[(row - 24) ** 2 + (column - at) ** 2 < 110] = colour
    Path("frames").mkdir()
    for n in range(3):
        Image.fromarray(np.round(scene + rng.normal(0, 2, scene.shape)).astype(np.uint8)).save(f"frames/{n}.png")
    return {"ground": scene[..., 0] == 110, "brightness": scene.mean(-1), "key": jax.random.key(0)}


GIVEN = {
    "neutron.md": radiographs,
    "optical.md": coloured,
    "stxm.md": stack,
    "README.md": particle,
    "denoising.md": particle,
    "equations.md": hosts,
    "interoperability.md": fitted_diffusion,
    "report.md": fitted_diffusion,
    "scaling.md": fitted_diffusion,
    "uncertainty.md": fitted_diffusion,
}


def only_checked(verb):
    """A verb whose call must fit its signature, and that does nothing."""

    def called(*arguments, **more):
        inspect.signature(verb).bind(*arguments, **more)
        assert isinstance(more.get("executor"), Executor | types.NoneType), "`executor` must be one"

    return called


class Cluster:
    """Takes what dask-jobqueue's own cluster takes, and starts nothing."""

    def __init__(self, *, queue, cores, processes, memory, walltime, job_extra_directives, job_script_prologue):
        assert all(isinstance(v, str) for v in (queue, memory, walltime, *job_extra_directives, *job_script_prologue))

    def scale(self, *, jobs):
        assert jobs > 0


class Client:
    def __init__(self, cluster):
        assert isinstance(cluster, Cluster)

    def get_executor(self):
        return type("Pool", (Executor,), {})()


@pytest.fixture
def toys(monkeypatch):
    """The front door, with a training of a few steps and ensembles that are only checked."""
    house = types.SimpleNamespace(**{name: getattr(ox, name) for name in dir(ox)})
    quick = partial(ox.denoise.train, steps=25, network=ox.denoise.BlindSpot(reach=2, width=4))
    house.denoise = types.SimpleNamespace(**{n: getattr(ox.denoise, n) for n in dir(ox.denoise)})
    house.denoise.train = quick
    house.ensemble = only_checked(ox.ensemble)
    house.sample = partial(ox.sample, draws=20, warmup=20, chains=1)
    fakes = {"dask_jobqueue": {"SLURMCluster": Cluster}, "distributed": {"Client": Client}}
    for name, held in fakes.items():
        module = types.ModuleType(name)
        vars(module).update(held)
        monkeypatch.setitem(sys.modules, name, module)
    return house


def pages():
    for page in BLOCKS:
        yield pytest.param(page, marks=pytest.mark.slow if page in LONG else ())


@pytest.mark.parametrize("page", pages())
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch, toys, real):
    monkeypatch.chdir(tmp_path)
    spoken = {"jax": jax, "jnp": jnp, "np": np, "__name__": "__main__", **GIVEN.get(page, lambda real: {})(real)}
    monkeypatch.setitem(sys.modules, "operax", ox)
    spoken["ox"] = toys
    for number, block in enumerate(BLOCKS[page]):
        if "import pybamm" in block:
            pytest.importorskip("pybamm", reason="PyBaMM is not installed")
        code = compile(block.replace("import operax as ox\n", ""), f"{page}, block {number + 1}", "exec")
        exec(code, spoken)
