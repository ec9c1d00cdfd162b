"""The public names of operax, and a page of the reference for each of its rooms, made from their docstrings."""

import inspect
from pathlib import Path
from types import ModuleType

import operax as ox
from operax import io, modalities
from operax.modalities import neutron, optical, stxm

HERE = Path(__file__).parent / "reference"


def rooms() -> dict[str, ModuleType]:
    """Modules that hold public names, by the name a script calls them."""
    found = {"ox": ox, "ox.io": io, "ox.modalities": modalities}
    found |= {f"ox.modalities.{m.__name__.rsplit('.', 1)[-1]}": m for m in (neutron, optical, stxm)}
    return found | {f"ox.{name}": getattr(ox, name) for name in dir(ox) if isinstance(getattr(ox, name), ModuleType)}


def public() -> dict[str, type]:
    """Every public class and function by its dotted name."""
    found = {}
    for room, module in rooms().items():
        # modules without a list of names show what they define, packages what they import
        package = hasattr(module, "__path__")
        for name in getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]:
            thing = getattr(module, name)
            own = getattr(thing, "__module__", "") or ""
            mine = own.startswith("operax") if package else own == module.__name__
            if mine and (inspect.isfunction(thing) or inspect.isclass(thing)):
                found[f"{room}.{name}"] = thing
    return found


def write() -> None:
    """Write the pages, each with all names of a room; a name that stands in two is described in the first."""
    HERE.mkdir(exist_ok=True)
    names, done, written = public(), set(), set()
    for room, module in rooms().items():
        mine = [name for name in names if name.rpartition(".")[0] == room]
        lines = [room, "=" * len(room), ""]
        first = (inspect.getdoc(module) or "").split("\n\n")[0]
        lines += [first.replace("\n", " "), ""]
        new = [name for name in mine if names[name] not in done]
        if not new:
            continue
        done.update(names[name] for name in new)
        for name in new:
            kind = "autoclass" if inspect.isclass(names[name]) else "autofunction"
            lines += [f".. {kind}:: operax{name.removeprefix('ox')}", ""]
        page = HERE / f"{room}.rst"
        written.add(page)
        text = "\n".join(lines)
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")
    for stale in set(HERE.glob("*.rst")) - written:
        stale.unlink()
