"""The folder of a run: what was done, with what, and what came out."""

import contextlib
import hashlib
import json
import os
import platform
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ..io import replacing
from ..io.files import SUFFIXES
from . import config as configs

RESULTS = ("denoised.h5", "denoising.h5", "fit.h5", "predicted.h5", "report.html")
PACKAGES = ("operax", "jax", "jaxlib", "equinox", "diffrax", "flax", "optax", "numpy", "scipy", "h5py")


@dataclass
class Folder:
    """An open run folder.

    Parameters
    ----------
    path
        The folder.
    state
        What run.json says; written anew whenever it changes.
    """

    path: Path
    state: dict[str, Any] = field(default_factory=dict)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def note(self, **facts: Any) -> None:
        """Add facts to run.json."""
        self.state.update(facts)
        write_text(self / "run.json", json.dumps(self.state, indent=2, ensure_ascii=False) + "\n")

    def metric(self, stage: str, step: int, value: float) -> None:
        """Append one line to metrics.csv."""
        with open(self / "metrics.csv", "a", encoding="utf-8") as file:
            file.write(f"{stage},{step},{value!r}\n")

    def log(self, line: str) -> None:
        """Append one line with the time to log.txt."""
        with open(self / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{_now()} {line}\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def choose(out: str | os.PathLike | None, name: str, *, force: bool = False) -> Path:
    """The folder to run in: ``out``, or the first free ``runs/<name>-<n>`` of the current folder.

    Parameters
    ----------
    out
        The folder asked for, if one was.
    name
        Names the run where no folder was asked for.
    force
        Also take a folder with other things in it; they are left alone.

    Raises
    ------
    ValueError
        If it holds things that no run has written.
    NotADirectoryError, PermissionError
        If it cannot be written.
    """
    if out is None:
        numbers = range(1, 1 + len(list(Path("runs").glob(f"{name}-*"))) + 1)
        return next(p for n in numbers if not (p := Path("runs") / f"{name}-{n}").exists())
    path = Path(out).expanduser()
    nearest = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"`out` {str(out)!r}: {nearest} is a file, not a folder; name another folder.")
    if not os.access(nearest, os.W_OK):
        raise PermissionError(f"`out` {str(out)!r}: {nearest} cannot be written; name another folder.")
    if path.exists() and any(path.iterdir()) and not _is_run(path) and not force:
        raise ValueError(
            f"`out` {str(out)!r} holds other files and no operax run; name another folder, or pass "
            "--force to write into it (other files stay as they are)."
        )
    return path


def check_output(path: Path) -> None:
    """Refuse a file that a movie cannot be written to, before hours are spent on the movie.

    Raises
    ------
    ValueError
        If the suffix names no format that movies are written to.
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is no such folder, or nothing can be written there.
    """
    suffixes = (*SUFFIXES["HDF5"], *SUFFIXES["TIFF"])
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"movies are written to {', '.join(suffixes)}; got `--output` {str(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`--output` {str(path)!r}: there is no folder {str(path.parent)!r}; make it first.")
    if path.is_dir():
        raise IsADirectoryError(f"`--output` {str(path)!r} is a folder; give the name of a file.")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"`--output` {str(path)!r}: the folder {str(path.parent)!r} cannot be written.")


def _is_run(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return "operax" in json.loads((path / "run.json").read_text("utf-8")).get("versions", {})
    return False


def begin(
    path: Path,
    config: configs.Config,
    inputs: Sequence[Mapping[str, Any]],
    command: str,
    *,
    keep: Sequence[str] = (),
) -> Folder:
    """Make the folder ready for a run: results of an earlier run go, except those in ``keep``.

    Parameters
    ----------
    path
        The folder, see `choose`.
    config
        What will be done; written as config.toml.
    inputs
        The files that are read, see `fingerprint`.
    command
        Which command runs.
    keep
        Results of an earlier run that are used again.
    """
    import jax

    path.mkdir(parents=True, exist_ok=True)
    run = Folder(path)
    for name in RESULTS:
        if name not in keep:
            (path / name).unlink(missing_ok=True)
    # figures of an earlier run would pass for those of this one
    for stale in (path / "figures").glob("*.png"):
        stale.unlink()
    write_text(path / "config.toml", configs.text(config))
    write_text(path / "metrics.csv", "stage,step,value\n")
    write_text(path / "log.txt", "")
    run.note(
        command=command,
        state="running",
        started=_now(),
        seed=config.run.seed,
        inputs=list(inputs),
        versions={name: metadata.version(name) for name in PACKAGES},
        python=platform.python_version(),
        platform=platform.platform(),
        device=f"{jax.devices()[0].device_kind} ({jax.default_backend()})",
        precision=str(jax.numpy.result_type(float)),
    )
    run.log(f"operax {run.state['versions']['operax']}: {command} of {config.input.path}")
    return run


@contextlib.contextmanager
def recorded(run: Folder) -> Iterator[Folder]:
    """Say in run.json and log.txt how a run ended, also where it failed."""
    try:
        yield run
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        text = str(error) or type(error).__name__
        run.log("".join(traceback.format_exception(error)).rstrip())
        run.note(state="interrupted" if stopped else "failed", error=text, finished=_now())
        raise
    run.note(state="finished", finished=_now())
    run.log("finished")


def fingerprint(path: str | os.PathLike) -> dict[str, Any]:
    """Path, bytes and SHA-256 of a file; of a folder or an STXM header, of all files that belong to it."""
    where = Path(path)
    files = [where]
    if where.is_dir():
        files = sorted(p for p in where.iterdir() if p.is_file())
    elif where.suffix.lower() == ".hdr":
        files += sorted(p for p in where.parent.glob("*") if p.name.lower().startswith(f"{where.stem.lower()}_a"))
    digest, size = hashlib.sha256(), 0
    for file in files:
        with open(file, "rb") as handle:
            while block := handle.read(2**20):
                digest.update(block)
                size += len(block)
    return {"path": os.fspath(where), "bytes": size, "sha256": digest.hexdigest()}


def reusable(path: Path, config: configs.Config, inputs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the denoised movie in a run folder is the one that this config would make of these inputs."""
    if not all((path / name).exists() for name in ("config.toml", "run.json", "denoised.h5", "denoising.h5")):
        return False
    try:
        before = configs.read(path / "config.toml")
        state = json.loads((path / "run.json").read_text("utf-8"))
        hashes = [entry["sha256"] for entry in state["inputs"]]
    except (ValueError, OSError, KeyError, TypeError):
        return False
    same = all(getattr(before, part) == getattr(config, part) for part in ("input", "prepare", "noise", "denoise"))
    same = same and state.get("versions", {}).get("operax") == metadata.version("operax")
    return same and before.run.seed == config.run.seed and hashes == [entry["sha256"] for entry in inputs]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
