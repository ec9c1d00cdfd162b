"""What a run keeps of its posterior and of its denoising, so that its report can be made again."""

import os

import jax
import jax.numpy as jnp
import numpy as np

from ..denoise import DenoiseReport
from ..inference import Averaging, Fit, Posterior
from ..inference.linearise import NormalEquations
from ..io import read_arrays, write_arrays
from ..metrics import Calibration, Whiteness
from ..noise import Correlation
from ..physics import AbstractEquation
from ..physics.plan import StepPlan
from ..physics.steppers import ETDRK2, ETDRK4, SBDF2, Rosenbrock, SemiImplicitEuler

NORMAL = ("laws", "cross", "starts", "gradient_laws", "gradient_starts")
STEPPERS = {stepper.__name__: stepper() for stepper in (ETDRK4, ETDRK2, SBDF2, Rosenbrock, SemiImplicitEuler)}
SPREADS = ("mean", "variance", "levels", "binned_mean", "binned_variance", "covered")


def write_posterior(path: str | os.PathLike, posterior: Posterior) -> None:
    """Write a posterior, and of its fit all that a report needs, to HDF5.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    arrays, said = posterior.as_arrays()
    fit = posterior.fit
    arrays |= {f"fit/normal/{name}": np.asarray(getattr(fit.normal, name)) for name in NORMAL}
    arrays |= {
        "fit/tilt": np.asarray(fit.averaging.tilt),
        "fit/doubt": np.asarray(fit.averaging.doubt),
        "fit/log_density": np.asarray(fit.log_density),
        "fit/plan/steps": np.asarray(fit.plans[0].steps),
        "fit/plan/damping": np.asarray(fit.plans[0].damping),
    }
    stepper = type(fit.plans[0].stepper).__name__
    write_arrays(path, arrays, {**said, "rejected": fit.rejected, "failed": fit.failed, "stepper": stepper})


def read_posterior(path: str | os.PathLike, equation: AbstractEquation) -> Posterior:
    """Read what `write_posterior` wrote.

    Parameters
    ----------
    path
        The file.
    equation
        The equation that was fitted, for its structure.

    Raises
    ------
    ValueError
        If the file is damaged, or holds another equation.
    """
    arrays, said = read_arrays(path)

    def filled(kind: str, ndim: int):
        def one(where, leaf):
            name = f"{kind}{jax.tree_util.keystr(where)}"
            if name not in arrays or arrays[name].shape[ndim:] != leaf.shape:
                raise ValueError(
                    f"{os.fspath(path)}: does not hold the equation of the config ({name!r} is missing or of "
                    "another shape); run the analysis again."
                )
            return jnp.asarray(arrays[name])

        return jax.tree_util.tree_map_with_path(one, equation)

    best, draws = filled("best", 0), filled("draws", 1)
    try:
        plan = StepPlan(
            (),  # the problem's schedule cuts the legs
            jnp.asarray(arrays["fit/plan/steps"]),
            jnp.asarray(arrays["fit/plan/damping"]),
            STEPPERS[said["stepper"]],
        )
        fit = Fit(
            best,
            jnp.asarray(arrays["start_coordinates"]),
            jnp.asarray(arrays["fit/log_density"]),
            jnp.asarray(arrays["chi2"]),
            jnp.asarray(arrays["history"]),
            NormalEquations(*(jnp.asarray(arrays[f"fit/normal/{name}"]) for name in NORMAL)),
            Averaging((arrays["start_spread/0"],), jnp.asarray(arrays["fit/tilt"]), jnp.asarray(arrays["fit/doubt"])),
            (plan,),
            said["result"],
            said["rejected"],
            said["failed"],
        )
        return Posterior(best, draws, fit, said["method"], _lines(said["notes"]))
    except KeyError as error:
        raise ValueError(f"{os.fspath(path)}: {error} is missing; run the analysis again.") from error


def write_denoising(path: str | os.PathLike, denoising: DenoiseReport) -> None:
    """Write a judgement of a denoised movie to HDF5.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    leaves = jax.tree_util.tree_leaves_with_path(denoising)
    arrays = {jax.tree_util.keystr(where, simple=True, separator="/"): np.asarray(leaf) for where, leaf in leaves}
    residual = denoising.residual
    said: dict[str, str | int | float] = {
        "reasons": "\n".join(denoising.reasons),
        "count": denoising.noise.count,
        "pvalue": residual.pvalue,
    }
    write_arrays(path, {**arrays, "residual/lag": np.asarray(residual.lag)}, said)


def read_denoising(path: str | os.PathLike) -> DenoiseReport:
    """Read what `write_denoising` wrote.

    Raises
    ------
    ValueError
        If the file is damaged or holds something else.
    """
    arrays, said = read_arrays(path)
    values = {name: jnp.asarray(array) for name, array in arrays.items()}
    try:
        lag = tuple(arrays["residual/lag"].tolist())
        spreads = None
        if "spreads/mean" in values:
            spreads = Calibration(*(values[f"spreads/{name}"] for name in SPREADS))
        return DenoiseReport(
            Correlation(values["noise/space"], values["noise/time"], said["count"]),
            Whiteness(values["residual/rho"], values["residual/threshold"], lag, said["pvalue"]),
            spreads,
            values.get("risk"),
            values["noise_variance"],
            _lines(said["reasons"]),
        )
    except KeyError as error:
        raise ValueError(f"{os.fspath(path)}: {error} is missing; run the analysis again.") from error


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")) if text else ()
