"""The rooms of the house: who may import whom, and through which door an outside package comes in."""

import ast
import itertools
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "operax"
FILES = sorted(p.relative_to(SOURCE).as_posix() for p in SOURCE.rglob("*.py"))

LEVELS = (
    {"domain", "movie"},
    {"noise", "metrics", "io"},
    {"physics", "denoise"},
    {"inference"},
    {"report", "synth", "modalities"},
    {"cli"},
    {"front"},  # imports whatever is asked for
    {"__init__"},
)
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# Rooms of one level that build on each other; all others of a level are strangers.
NEIGHBOURS = {("movie", "domain")}

LANGUAGE = {"jax", "equinox", "jaxtyping", "numpy", "scipy"}
DOORS = {
    "flax": ("denoise/networks/",),
    "optax": ("denoise/train.py",),
    "diffrax": ("physics/steppers/", "physics/adaptive.py", "physics/simulate.py"),
    "blackjax": ("inference/sample.py",),
    "matplotlib": ("report/figures/",),
    "jinja2": ("report/",),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "pydantic": ("cli/",),
    "h5py": ("io/",),
    "tifffile": ("io/",),
    "imageio": ("io/",),
    "imageio_ffmpeg": ("io/",),
    "xarray": ("io/arrays.py",),
    "astropy": ("io/fits.py",),
    "pybamm": ("report/cell.py",),
    "skimage": ("modalities/", "denoise/filters.py"),
    "sklearn": ("modalities/optical/mixture.py",),
}
INSIDE_FUNCTIONS = {"pybamm", "xarray", "astropy", "skimage", "sklearn"}
# What can run code found in a file.
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
LONGEST = 400


def room(path):
    """The room of a source file: its first folder, or its own name."""
    return path.split("/")[0].removesuffix(".py")


def imports(tree, path):
    """Every import as (dotted name from the package's root or outside, whether from inside, in a function)."""
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        local = id(node) in inside
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, False, local
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module, False, local
        elif isinstance(node, ast.ImportFrom):
            parents = path.split("/")[:-1]
            base = parents[: len(parents) - node.level + 1]
            if node.module:
                yield ".".join([*base, node.module]), True, local
            else:
                for name in node.names:
                    yield ".".join([*base, name.name]), True, local


def faults(path, source):
    """What in a source file breaks the rules of the house, one line each."""
    tree = ast.parse(source)
    here = room(path)
    found = []
    for name, own, local in imports(tree, path):
        top = name.split(".")[0]
        if own:
            if top == here or (here, top) in NEIGHBOURS:
                continue
            if top not in LEVEL:
                found.append(f"imports `{name}`, which is no room of the house")
            elif LEVEL[top] >= LEVEL[here]:
                found.append(f"imports `{name}` of level {LEVEL[top]} from level {LEVEL[here]}")
        elif top == "operax":
            found.append(f"imports `{name}` by its top-level name; use a relative import")
        elif top in UNSAFE_MODULES:
            found.append(f"imports `{top}`, which can run what a file says")
        elif top in DOORS:
            if not any(path == door or (door.endswith("/") and path.startswith(door)) for door in DOORS[top]):
                found.append(f"imports `{top}`, whose door is {' or '.join(DOORS[top])}")
            if top in INSIDE_FUNCTIONS and not local:
                found.append(f"imports `{top}`, an extra, outside a function")
        elif top not in LANGUAGE and top not in sys.stdlib_module_names and top != "__future__":
            found.append(f"imports `{top}`, which has no door at all")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in UNSAFE_CALLS:
                found.append(f"calls `{node.func.id}`")
            for word in node.keywords:
                if word.arg == "allow_pickle" and not (
                    isinstance(word.value, ast.Constant) and word.value.value is False
                ):
                    found.append("allows pickle")
    if path.endswith("__init__.py"):
        for node in tree.body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            listed = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            if not (docstring or listed or isinstance(node, ast.Import | ast.ImportFrom)):
                found.append("holds more than re-exports")
                break
    lines = len(source.splitlines())
    if lines > LONGEST:
        found.append(f"has {lines} lines, more than {LONGEST}")
    return found


@pytest.mark.parametrize("path", FILES)
def test_file_keeps_the_rules(path):
    source = (SOURCE / path).read_text(encoding="utf-8")
    assert not faults(path, source)


def test_files_of_tests_have_names_of_their_own():
    """Two of one name, in whatever folders, cannot be collected in one run."""
    names = sorted(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, after in itertools.pairwise(names) if name == after] == []


def test_every_room_has_a_level():
    assert {room(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("movie.py", "from .noise import estimate", "of level 1 from level 0"),
        ("domain.py", "from .movie import Movie", "of level 0 from level 0"),
        ("physics/laws.py", "from ..inference import fit", "of level 3 from level 2"),
        ("physics/laws.py", "from ..denoise.train import train", "of level 2 from level 2"),
        ("physics/steppers/etdrk4.py", "def f():\n    from ... import denoise", "of level 2 from level 2"),
        ("denoise/train.py", "from .. import physics", "of level 2 from level 2"),
        ("inference/fit.py", "from ..report import html", "of level 4 from level 3"),
        ("synth.py", "from .cli import main", "of level 5 from level 4"),
        ("io/files.py", "import operax", "by its top-level name"),
        ("io/files.py", "from operax.movie import Movie", "by its top-level name"),
        ("io/files.py", "from .. import missing", "no room of the house"),
        ("denoise/train.py", "from flax import nnx", "door is denoise/networks/"),
        ("physics/laws.py", "import diffrax", "door is physics/steppers/"),
        ("inference/fit.py", "import optax", "door is denoise/train.py"),
        ("report/html.py", "import matplotlib.pyplot as plt", "door is report/figures/"),
        ("io/arrays.py", "import xarray", "outside a function"),
        ("io/tiff.py", "def f():\n    import xarray", "door is io/arrays.py"),
        ("metrics.py", "import torch", "no door at all"),
        ("io/files.py", "import pickle", "can run what a file says"),
        ("io/files.py", "np.load(path, allow_pickle=True)", "allows pickle"),
        ("cli/toml.py", "eval(text)", "calls `eval`"),
        ("denoise/__init__.py", "x = 1", "more than re-exports"),
        ("noise.py", "\n" * 401, "more than 400"),
    ],
)
def test_a_broken_rule_is_seen(path, source, fault):
    (found,) = faults(path, source)
    assert fault in found


def test_what_is_allowed_passes():
    allowed = {
        "physics/steppers/etdrk4.py": "import diffrax\nfrom ..equations import Diffusion\nfrom ...domain import Domain",
        "movie.py": "from .domain import Domain",
        "io/arrays.py": "def f():\n    import xarray",
        "inference/fit.py": "from ..physics import laws\nfrom ..denoise import train\nimport jax.numpy as jnp",
        "cli/app.py": "import typer\nfrom ..report import report",
    }
    assert not any(faults(path, source) for path, source in allowed.items())
