"""The folder of a run: what was done, with what, and what came out."""

import contextlib
import hashlib
import itertools
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

# What denoising leaves, by number of the recorded movie; taken over as a whole or not at all.
DENOISED = ("denoised*.h5", "denoising*.h5", "denoiser-*.npz")
RESULTS = (*DENOISED, "composition*.h5", "fit.h5", "predicted.h5", "report.html", "citations.txt")
CHECKPOINTS = ("checkpoints/training-*.npz", "checkpoints/fit.h5")
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


def choose(out: str | os.PathLike | None, name: str, *, force: bool = False, resume: bool = False) -> Path:
    """The folder to run in: ``out``, or the first free ``runs/<name>-<n>`` of the current folder.

    Parameters
    ----------
    out
        The folder asked for, if one was.
    name
        Names the run where no folder was asked for.
    force
        Also take a folder with other things in it; they are left alone.
    resume
        Where no folder was asked for, take the last of that name.

    Raises
    ------
    ValueError
        If it holds things that no run has written.
    NotADirectoryError, PermissionError
        If it cannot be written.
    """
    if out is None:
        free = next(n for n in itertools.count(1) if not (Path("runs") / f"{name}-{n}").exists())
        return Path("runs") / f"{name}-{free - 1 if resume and free > 1 else free}"
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
    keep: frozenset[str] = frozenset(),
) -> Folder:
    """Make the folder ready for a run: results and checkpoints of an earlier run go, except those in ``keep``.

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
        Files of an earlier run that are used again, see `reusable`.
    """
    import jax

    path.mkdir(parents=True, exist_ok=True)
    (path / "checkpoints").mkdir(exist_ok=True)
    run = Folder(path)
    for pattern in (*RESULTS, *CHECKPOINTS):
        for stale in path.glob(pattern):
            if stale.relative_to(path).as_posix() not in keep:
                stale.unlink()
    # figures of an earlier run would pass for those of this one; parts are what a killed process was writing
    for stale in (*(path / "figures").glob("*.png"), *path.glob(".*.part"), *path.glob("*/.*.part")):
        stale.unlink()
    write_text(path / "config.toml", configs.text(config))
    for name, first in (("metrics.csv", "stage,step,value\n"), ("log.txt", "")):
        whole = _whole_lines(path / name) if keep else ""
        write_text(path / name, whole or first)
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


def _whole_lines(path: Path) -> str:
    """What an earlier run wrote, without a line that it was killed in."""
    text = path.read_text("utf-8", "replace") if path.exists() else ""
    return text[: text.rfind("\n") + 1]


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


def reusable(path: Path, config: configs.Config, inputs: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Files in a run folder that this config would make again from these inputs: results and checkpoints."""
    if not (path / "config.toml").exists() or not (path / "run.json").exists():
        return frozenset()
    try:
        before = configs.read(path / "config.toml")
        state = json.loads((path / "run.json").read_text("utf-8"))
        hashes = [entry["sha256"] for entry in state["inputs"]]
        version = state["versions"]["operax"]
    except (ValueError, OSError, KeyError, TypeError):
        return frozenset()
    same = all(getattr(before, part) == getattr(config, part) for part in ("input", "prepare", "noise", "denoise"))
    same = same and before.instrument == config.instrument and before.run.seed == config.run.seed
    if not same or version != metadata.version("operax") or hashes != [entry["sha256"] for entry in inputs]:
        return frozenset()
    # a fit's checkpoint is of one equation and its priors
    patterns = CHECKPOINTS if before.fit == config.fit else CHECKPOINTS[:1]
    # denoised.h5 is written last: without it the others may be half of what there should be
    if (path / "denoised.h5").exists() and (path / "denoising.h5").exists():
        patterns = (*patterns, *DENOISED)
    return frozenset(found.relative_to(path).as_posix() for pattern in patterns for found in path.glob(pattern))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
