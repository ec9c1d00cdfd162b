"""The first config of an analysis, with a comment on every key."""

import enum
import json
from importlib import resources
from pathlib import Path


class Modality(enum.StrEnum):
    """What recorded the movie."""

    stxm = "stxm"
    optical = "optical"
    neutron = "neutron"
    simulated = "simulated"


# What stands for the user's file until there is one.
EXAMPLES = {"stxm": "stack.hdr", "optical": "frames/", "neutron": "sample/"}


def text(modality: Modality, path: str | None, config: str) -> str:
    """The TOML of a config.

    Parameters
    ----------
    modality
        Which one.
    path
        The movie, from the folder of the config; an example if ``None``.
    config
        Name of the file, for the comment on top.
    """
    source = resources.files(__package__).joinpath(f"templates/{modality}.toml").read_text("utf-8")
    stated = json.dumps(path or EXAMPLES.get(modality, "simulated.h5"), ensure_ascii=False)
    return source.replace('"{path}"', stated).replace("{config}", config)


def write(modality: Modality, path: Path, movie: Path | None, *, force: bool, size: int, seed: int) -> list[Path]:
    """Write a config, and with `simulated` the movie beside it; the files written.

    Raises
    ------
    FileExistsError
        If a file is there already and ``force`` is not given.
    FileNotFoundError
        If the folder or ``movie`` does not exist.
    """
    from .folder import write_text

    if movie is not None and not movie.exists():
        raise FileNotFoundError(f"there is no file {str(movie)!r}; give `--input` an existing one, or leave it out.")
    files = [path]
    if modality == Modality.simulated:
        if movie is not None:
            raise ValueError("`init simulated` makes its own movie; leave `--input` out.")
        files = [path.with_suffix(".h5"), path]
    for file in files:
        if file.is_dir():
            raise IsADirectoryError(f"{file} is a folder; name a file with `--output`.")
        if file.exists() and not force:
            raise FileExistsError(f"{file} is there already; name another with `--output`, or pass --force.")
        if not file.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {str(file.parent)!r}; make it first.")
    stated = None if movie is None else str(movie.resolve())
    if modality == Modality.simulated:
        _simulate(files[0], size, seed)
        stated = files[0].name
    write_text(path, text(modality, stated, path.name))
    return files


def _simulate(path: Path, size: int, seed: int) -> None:
    import jax

    from .. import io, synth
    from .session import double_precision

    with double_precision():
        io.save(path, synth.lfp_stxm(key=jax.random.key(seed), size=size, frames=16).noisy)
