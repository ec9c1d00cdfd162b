"""Denoisers and half-finished trainings on disk: plain arrays and one line of JSON, never pickle."""

import hashlib
import json
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ..io import replacing
from ..noise import Gaussian, PoissonGaussian
from .denoiser import Denoiser
from .networks import UDVD, BlindSpot, FrameBlind
from .share import nothing

NETWORKS: dict[str, Callable] = {kind.__name__: kind for kind in (BlindSpot, FrameBlind, UDVD)}
NOISES: dict[str, Gaussian | PoissonGaussian] = {"Gaussian": Gaussian(1.0), "PoissonGaussian": PoissonGaussian(1.0)}
# Layout of the file; raised when an older reader could misread a newer file.
LAYOUT = 6


def _write(path, header: dict, leaves) -> None:
    arrays: dict = {f"leaf{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
    with replacing(path) as part, open(part, "wb") as file:
        np.savez(file, allow_pickle=False, header=np.asarray(json.dumps(header)), **arrays)


def _read(path, kind: str) -> tuple[dict, list[np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            leaves = [file[f"leaf{i}"] for i in range(len(file.files) - 1)]
    except (KeyError, ValueError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is not a file written by operax.denoise: {error}.") from None
    if header.get("kind") != kind or header.get("layout") != LAYOUT:
        raise ValueError(
            f"{path} must hold a {kind} in layout {LAYOUT}, it holds a {header.get('kind')} in layout "
            f"{header.get('layout')} written by operax {header.get('version')}."
        )
    return header, leaves


def save(path: str | os.PathLike, denoiser: Denoiser) -> None:
    """Write a denoiser to a ``.npz`` file: weights, normalisation, noise model, network, and why it is trusted.

    Parameters
    ----------
    path
        The file to make or replace; it appears whole or not at all.
    denoiser
        From `train`, `tune` or `load`.
    """
    network = denoiser.network
    header = {
        "kind": "denoiser",
        "layout": LAYOUT,
        "version": version("operax"),
        "network": [type(network).__name__, {k: getattr(network, k) for k in network.__dataclass_fields__}],
        "channels": _channels(denoiser),
        "noise": type(denoiser.noise).__name__,
        "choice": denoiser.choice,
        "posterior": denoiser.posterior,
        "reasons": list(denoiser.reasons),
    }
    _write(path, header, jax.tree.leaves(denoiser))


def _channels(denoiser: Denoiser) -> int:
    """Number c of channels, from the c + c (c + 1) / 2 numbers that the last layer gives."""
    numbers = denoiser.weights["heads"]["bias"].size
    return next(c for c in range(1, numbers) if c + c * (c + 1) // 2 == numbers)


def load(path: str | os.PathLike) -> Denoiser:
    """Read a denoiser written by `save`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file holds something else.
    """
    header, leaves = _read(path, "denoiser")
    name, fields = header["network"]
    network = NETWORKS[name](**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
    graph, weights = network.build(header["channels"], key=jax.random.key(0))
    zero = jnp.zeros(())
    words = header["choice"], header["posterior"], tuple(header["reasons"])
    like = Denoiser(weights, zero, zero, NOISES[header["noise"]], zero, nothing(zero.dtype), graph, network, *words)
    return jax.tree.unflatten(jax.tree.structure(like), [jnp.asarray(leaf) for leaf in leaves])


def fingerprint(arrays, settings) -> str:
    """Hash of everything a training depends on, by which a checkpoint knows its own."""
    found = hashlib.sha256(repr((LAYOUT, settings)).encode())
    for leaf in jax.tree.leaves(arrays):
        plain = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        found.update(np.ascontiguousarray(plain).data)
    return found.hexdigest()


def keep(path, mark: str, carry, history: list[float]) -> None:
    """Write the state of a training and its history so far."""
    header = {"kind": "training", "layout": LAYOUT, "version": version("operax"), "mark": mark, "history": history}
    _write(path, header, jax.tree.leaves(carry))


def resume(path, mark: str, carry) -> tuple:
    """State and history as they were kept; those given and an empty history if there is no file.

    Raises
    ------
    ValueError
        If the file holds something else, or the training of another fingerprint.
    """
    if not Path(path).exists():
        return carry, []
    header, leaves = _read(path, "training")
    if header["mark"] != mark:
        raise ValueError(
            f"{path} is the checkpoint of another training: the movie, noise, key, network or an option differs. "
            "Give another path, or delete the file to begin anew."
        )
    return jax.tree.unflatten(jax.tree.structure(carry), [jnp.asarray(leaf) for leaf in leaves]), header["history"]
