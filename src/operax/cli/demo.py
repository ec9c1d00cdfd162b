"""The demo: a synthetic movie with known laws, analysed as a real one, and compared with the truth."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from .. import io, metrics, synth
from ..inference import Posterior
from . import config as configs
from .pipeline import Outcome, execute

# Sizes of the movie and the training: the whole demo takes about three minutes on two cores.
SIZE, FRAMES, TRAINING = 40, 16, 400
QUICK_SIZE, QUICK_FRAMES, QUICK_TRAINING = 24, 10, 50
# Compositions of the table; the movie visits 0.07 to 0.93.
COMPOSITIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
MIDDLE = 0.5
# Stream of the synthetic movie, apart from those that the analysis splits off the same seed.
STREAM = 2**16
FIT = {
    "equation": "cahn-hilliard",
    # the truth is M = c (1 - c): scale one, within a factor e
    "mobility": {
        "law": "degenerate",
        "scale": {"law": "exp-legendre", "value": 1.0, "factor": 2.718281828459045, "degree": 2, "std": 0.5},
    },
    # the truth is a regular solution with 3.0
    "potential": {"law": "regular-solution+legendre", "omega": 2.5, "degree": 4, "std": 1.0},
    "kappa": 2e-3,
}


def truth(seed: int, size: int, frames: int) -> synth.Truth:
    """The movie of the demo, with what made it."""
    key = jax.random.fold_in(jax.random.key(seed), STREAM)
    return synth.lfp_stxm(key=key, size=size, frames=frames)


def run(path: Path, *, seed: int, quick: bool) -> tuple[Outcome, synth.Truth]:
    """Make the movie, write it into the run folder, and analyse it from there."""
    size, frames, training = (QUICK_SIZE, QUICK_FRAMES, QUICK_TRAINING) if quick else (SIZE, FRAMES, TRAINING)
    made = truth(seed, size, frames)
    path.mkdir(parents=True, exist_ok=True)
    io.save(path / "raw.h5", made.noisy)
    io.save(path / "truth.h5", made.clean)
    config = configs.given(
        {
            "input": {"path": str(path / "raw.h5")},
            "denoise": {"method": "blindspot", "steps": training},
            "fit": FIT,
            "report": {"title": "operax demo: a synthetic STXM movie of lithium iron phosphate"},
            "run": {"seed": seed},
        }
    )
    made_of = {"size": size, "frames": frames}
    return execute(config, path, "demo", truth=made, remember={"synthetic": made_of}), made


def remembered(path: Path) -> synth.Truth | None:
    """The truth behind the run of a demo, made again; ``None`` for any other run."""
    try:
        state = json.loads((path / "run.json").read_text("utf-8"))
        return truth(state["seed"], **state["synthetic"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def summary(outcome: Outcome, made: synth.Truth, console: Console) -> None:
    """Print the laws found beside the true ones, and how much better the denoised movie is."""
    assert outcome.posterior is not None
    assert outcome.denoised is not None
    table = Table(title="laws found, and the truth", title_justify="left")
    for name, side in (("law", "left"), ("c", "right"), ("truth", "right"), ("median", "right")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    table.add_column("95 % band", justify="right")
    table.add_column("inside?")
    for name, quantity in laws().items():
        for c, low, median, high, true in rows(outcome.posterior, made, quantity):
            if low == high:
                continue  # a difference of nothing
            inside = "yes" if low <= true <= high else "no"
            table.add_row(name, f"{c:.2f}", f"{true:.3f}", f"{median:.3f}", f"{low:.3f} to {high:.3f}", inside)
    console.print(table)
    mask = made.clean.domain.inside
    before, after = (
        float(metrics.psnr(movie.frames, made.clean.frames, data_range=1.0, inside=mask))
        for movie in (outcome.raw, outcome.denoised)
    )
    console.print(f"PSNR {before:.1f} dB raw, {after:.1f} dB denoised ({after - before:+.1f} dB)", highlight=False)


def laws() -> dict:
    """The laws of the table: the mobility, and the potential apart from its free constant."""

    def potential(e, c):
        return e.potential(c) - e.potential(jnp.full_like(c, MIDDLE))

    return {"M(c)": lambda e, c: e.mobility(c), "μ_h(c) - μ_h(½)": potential}


def rows(posterior: Posterior, made: synth.Truth, quantity):
    """Composition, lower edge, median, upper edge and truth of a law, one row for each composition."""
    c = jnp.asarray(COMPOSITIONS, jnp.result_type(float))
    low, median, high = np.asarray(posterior.band(lambda e: quantity(e, c), 0.95))
    true = np.asarray(quantity(made.equation, c))
    return list(zip(COMPOSITIONS, low.tolist(), median.tolist(), high.tolist(), true.tolist()))
