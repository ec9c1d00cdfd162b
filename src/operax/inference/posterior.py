"""Posterior: draws of an equation, and bands on any quantity computed from it."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..physics.equations import AbstractEquation
from .fit import Fit
from .influence import sandwich
from .lean import lean, straight
from .marginal import widened
from .problem import Problem

# A combination of numbers is held by the prior if the movie made it less than twice as narrow.
HELD = 4.0


class Posterior(eqx.Module):
    """What the movie and the prior say about an equation.

    Parameters
    ----------
    best
        The most probable equation.
    draws
        The same equation with a leading axis of draws on every leaf.
    fit
        The fit they are drawn around.
    method
        How the draws were made, in words.
    notes
        What to know before believing them.
    found
        What else the method found, by name.
    """

    best: AbstractEquation
    draws: AbstractEquation
    fit: Fit
    method: str = eqx.field(static=True)
    notes: tuple[str, ...] = eqx.field(default=(), static=True)
    found: dict[str, Array] = eqx.field(default_factory=dict)

    def __call__(self, quantity: Callable[[AbstractEquation], Array]) -> Float[Array, "draw *shape"]:
        """A quantity for every draw, e.g. ``posterior(lambda e: e.diffusivity(c))``."""
        return _pushed(quantity, self.draws)

    def band(self, quantity: Callable[[AbstractEquation], Array], level: float = 0.95) -> Float[Array, "3 *shape"]:
        """Lower edge, median and upper edge of the central band that holds ``level`` of the draws, pointwise."""
        if not 0 < level < 1:
            raise ValueError(f"`level` must lie between 0 and 1, got {level}.")
        return jnp.quantile(self(quantity), jnp.array([0.5 - level / 2, 0.5, 0.5 + level / 2]), axis=0)

    def as_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Draws, optimum and diagnostics by name, for `operax.save`."""
        arrays = {"start_coordinates": np.asarray(self.fit.starts), "history": np.asarray(self.fit.history)}
        arrays |= {f"start_spread/{i}": spread for i, spread in enumerate(self.fit.averaging.spreads)}
        arrays["chi2"] = np.asarray(self.fit.chi2)
        arrays |= {f"found/{name}": np.asarray(values) for name, values in self.found.items()}
        for tree, kind in ((self.draws, "draws"), (self.best, "best")):
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
                arrays[f"{kind}{jax.tree_util.keystr(path)}"] = np.asarray(leaf)
        return arrays, {
            "method": self.method,
            "result": self.fit.result,
            "equation": str(self.best),
            "notes": "\n".join(self.notes),
        }

    def as_draws(self) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
        """Draws by name as (chain, draw, ...), for `operax.save` to netCDF."""
        chains = len(np.unique(np.asarray(self.found["chain"]))) if "chain" in self.found else 1
        tables: dict[str, dict[str, np.ndarray]] = {"posterior": {}}
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.draws):
            tables["posterior"][jax.tree_util.keystr(path).strip(".")] = np.asarray(leaf)
        if "diverging" in self.found:
            tables["sample_stats"] = {"diverging": np.asarray(self.found["diverging"])}
        split = {
            group: {name: values.reshape(chains, -1, *values.shape[1:]) for name, values in table.items()}
            for group, table in tables.items()
        }
        return split, {"method": self.method, "notes": "\n".join(self.notes), "created_by": "operax"}


# compiled once for a quantity that is asked of many posteriors
@eqx.filter_jit
def _pushed(quantity, draws):
    return jax.vmap(quantity)(draws)


def laplace(
    fit: Fit,
    problem: Problem | Sequence[Problem],
    *,
    key: Key[Array, ""],
    draws: int = 1000,
    residual_scale: bool = False,
    block: tuple[int, ...] | None = None,
) -> Posterior:
    """Posterior from the Gauss–Newton curvature at the optimum, start states marginalised: a normal that may lean.

    Parameters
    ----------
    fit, problem
        The fit and what it was fitted to.
    key
        Random key.
    draws
        Number of draws.
    residual_scale
        Widen every band by √χ² where the reduced χ² exceeds one, for an equation that does not explain the
        movie down to its noise. A stopgap: residuals of a wrong equation are correlated, which this ignores.
    block
        Where the noise model is doubted: frames and pixels along every space axis of blocks, e.g. ``(1, 8, 8)``,
        larger than residuals are correlated. The width of bands then comes from how residuals differ between
        blocks (the sandwich covariance), whatever spread or correlation the model states.

    Raises
    ------
    RuntimeError
        If the curvature is not positive, so that there is no Gaussian.
    ValueError
        If ``block`` does not fit the movie, or is given with ``residual_scale``.

    Notes
    -----
    Exact for a linear problem. Along the widest axes each side has a width of its own, from how far the posterior falls
    over two standard deviations (`lean`), unless ``block`` is given; where it bends more than that compare with
    `sample`. With `Given` starts that carry noise the bands are far too narrow.

    References
    ----------
    D. J. C. MacKay, Neural Comput. 4, 415 (1992), doi:10.1162/neco.1992.4.3.415.
    """
    if block is not None and residual_scale:
        raise ValueError("`block` takes the spread from the residuals already; leave out `residual_scale`.")
    theta, unravel = jax.flatten_util.ravel_pytree(fit.equation)
    values, vectors = np.linalg.eigh(np.asarray(fit.normal.schur(), float))
    if not values.min() > 0:
        raise RuntimeError(
            f"the curvature at the optimum is not positive (smallest eigenvalue {values.min():g}); the fit has not "
            f"converged ({fit.result})."
        )
    notes = []
    scale = 1.0
    chi2 = float(fit.chi2)
    if residual_scale and chi2 > 1:
        scale = np.sqrt(chi2)
        notes.append(f"bands widened {scale:.1f} times because the reduced χ² is {chi2:.1f}")
    held = int((values < HELD).sum())
    if held:
        notes.append(
            f"the prior, not the movie, holds {held} of {len(values)} combinations of the unknown numbers; `identify` "
            "names them"
        )
    if block is None:
        shape = lean(fit, problem)
    else:
        values, vectors = np.linalg.eigh(sandwich(fit, problem, block))
        shape = straight(jnp.asarray(vectors * np.sqrt(np.maximum(values, 0)), theta.dtype))
        notes.append(f"sandwich covariance from blocks of {block}")
    draw_key, doubt_key = jax.random.split(key)
    normal = jax.random.normal(draw_key, (draws, theta.size), theta.dtype)
    drawn = theta + scale * shape.moves(normal)
    drawn = widened(drawn, fit.averaging, jax.random.split(doubt_key, draws))
    return Posterior(fit.equation, jax.vmap(unravel)(drawn), fit, "laplace", tuple(notes))
