"""Every public name says what it takes, with shapes, and what it refuses."""

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "docs"))
from reference import public  # the pages of the reference are made of the same names

# Verbs whose arguments are all said in the first sentence need no list of them.
FEW = 1


PUBLIC = public()
# Names of methods that others have published: each says where.
ROOMS, NOT = ("ox.kinetics", "ox.steppers"), {"ox.steppers.SemilinearTerm"}
PUBLISHED = {
    *("AllenCahn", "CahnHilliard", "Diffusion", "Intercalation", "TwoLayerGraphite", "RateField", "StudentT", "LBFGS"),
    *("LevenbergMarquardt", "NewtonCG", "BlockBootstrap", "Bootstrap", "Randomised", "calibrate", "design", "ensemble"),
    *("evidence", "laplace", "profile", "sample", "laws.RedlichKister", "phases.binodal", "phases.interface_energy"),
    *("phases.interface_width", "phases.spinodal", "denoise.BlindSpot", "denoise.UDVD", "denoise.LowRank"),
    *("denoise.TotalVariation", "denoise.NonLocalMeans", "noise.estimate", "modalities.register"),
    *("modalities.neutron.cross_section", "modalities.neutron.transmission", "modalities.stxm.components"),
}
FINDABLE = re.compile(r"doi:10\.\d{4,}/|arXiv:\d{4}\.\d{4,}|ISBN|IEC \d|ISO \d|https://")
# An array without the names of its axes; inside of Callable[...] it is a law, of any shape.
BARE = re.compile(r"(?<![\[\w])(jax\.Array|numpy\.ndarray)(?!\w)")
FUNCTIONS = [name for name, thing in PUBLIC.items() if inspect.isfunction(thing)]


def said(thing):
    """All that is said of a thing: its docstring, and for a class that of its constructor and call."""
    texts = [inspect.getdoc(thing) or ""]
    if inspect.isclass(thing):
        texts += [
            inspect.getdoc(vars(c)[n]) or "" for c in thing.__mro__ for n in ("__init__", "__call__") if n in vars(c)
        ]
    return "\n".join(texts)


def source(thing):
    """Source of a class, whose fields may be explained by comments beside them."""
    return inspect.getsource(thing) if inspect.isclass(thing) else ""


def parameters(thing):
    """Names that a caller may give."""
    try:
        names = list(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return []
    return [name for name in names if name not in ("self", "args", "kwargs", "_")]


def raises(thing):
    """Whether the body of a function raises by itself."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(thing))))
    except (OSError, TypeError):
        return False
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


@pytest.mark.parametrize("name", PUBLIC)
def test_it_says_what_it_is_in_a_sentence(name):
    first = (inspect.getdoc(PUBLIC[name]) or "").split("\n\n")[0]
    assert first.rstrip().endswith((".", ":", '"')), f"{name}: {first!r}"
    assert not first.startswith(("This ", "Class ")), first


@pytest.mark.parametrize("name", PUBLIC)
def test_every_argument_is_explained(name):
    thing = PUBLIC[name]
    if inspect.isclass(thing) and (inspect.isabstract(thing) or issubclass(thing, Exception)):
        return
    given = parameters(thing)
    if inspect.isfunction(thing) and len(given) <= FEW:
        return
    text = said(thing) + "\n".join(re.findall(r"^    \w+: .*  # .*$", source(thing), re.MULTILINE))
    missing = [one for one in given if not re.search(rf"(?<![\w]){re.escape(one)}(?![\w])", text)]
    assert not missing, f"{name} does not explain {', '.join(missing)}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_and_results_are_annotated(name):
    signature = inspect.signature(PUBLIC[name])
    bare = [p.name for p in signature.parameters.values() if p.annotation is inspect.Parameter.empty]
    assert not bare, f"{name} has no annotation of {', '.join(bare)}"
    assert signature.return_annotation is not inspect.Signature.empty, f"{name} does not say what it returns"


@pytest.mark.parametrize(
    "name", [name for name, thing in PUBLIC.items() if inspect.isfunction(thing) and raises(thing)]
)
def test_what_is_refused_is_listed(name):
    assert re.search(r"^Raises\n------", inspect.getdoc(PUBLIC[name]) or "", re.MULTILINE), name


@pytest.mark.parametrize("name", [name for name, thing in PUBLIC.items() if inspect.isfunction(thing)])
def test_arrays_are_annotated_with_their_shapes(name):
    signature = inspect.signature(PUBLIC[name])
    given = {p.name: p.annotation for p in signature.parameters.values()} | {"return": signature.return_annotation}
    texts = {one: str(annotation) for one, annotation in given.items()}
    # arrays by name, of a file, have shapes of their own
    free = ("Callable", "dict[str", "Mapping[str")
    bare = [one for one, text in texts.items() if BARE.search(text) and not any(word in text for word in free)]
    assert not bare, f"{name}: {', '.join(bare)} must be annotated with a shape, such as Float[Array, 'row column']"


@pytest.mark.parametrize("name", [n for n in PUBLIC if n.removeprefix("ox.") in PUBLISHED or n.startswith(ROOMS)])
def test_published_methods_name_their_source(name):
    thing = PUBLIC[name]
    if name in NOT or (name.startswith(ROOMS) and (inspect.isabstract(thing) or not inspect.isclass(thing))):
        return
    text = said(thing)
    assert re.search(r"^References\n-----", text, re.MULTILINE), f"{name} does not say where it comes from"


@pytest.mark.parametrize("name", [n for n, thing in PUBLIC.items() if "References\n---" in said(thing)])
def test_sources_can_be_found(name):
    _, _, listed = said(PUBLIC[name]).partition("References\n----------\n")
    assert FINDABLE.search(listed), f"{name}: {listed!r}"


def test_every_published_method_is_there():
    assert not {name for name in PUBLISHED if f"ox.{name}" not in PUBLIC}
