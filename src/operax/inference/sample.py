"""Sample the posterior with the no-U-turn sampler, whitened by the Laplace approximation."""

from collections.abc import Callable, Sequence

import blackjax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from .fit import Fit, as_fitted
from .linearise import NormalEquations, negative_log_posterior
from .marginal import widened
from .posterior import Posterior
from .problem import Problem
from .reverse import frozen

# Whitened coordinates need few leapfrog steps; 2⁵ bounds the cost of a draw. Draws that reach it are counted.
MOST_DOUBLINGS = 5


def joint_factor(normal: NormalEquations) -> np.ndarray:
    """A square root of the joint Laplace covariance of laws and start coordinates."""
    windows, p, m = normal.cross.shape
    joint = np.zeros((p + windows * m,) * 2)
    joint[:p, :p] = normal.laws
    for w in range(windows):
        block = slice(p + w * m, p + (w + 1) * m)
        joint[:p, block], joint[block, :p] = normal.cross[w], normal.cross[w].T
        joint[block, block] = normal.starts[w]
    values, vectors = np.linalg.eigh(joint)
    if not values.min() > 0:
        raise RuntimeError(f"the curvature at the optimum is not positive (smallest eigenvalue {values.min():g}).")
    return vectors / np.sqrt(values)


def sample(
    fit: Fit,
    problem: Problem | Sequence[Problem],
    *,
    key: Key[Array, ""],
    draws: int = 250,
    warmup: int = 150,
    chains: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Posterior:
    """Draws from the exact posterior of laws and start states, by NUTS.

    Parameters
    ----------
    fit, problem
        Where to start, and what judges. The fit's step plans are kept.
    key
        Random key.
    draws, warmup
        Draws kept and draws spent on the step size, for each chain.
    chains
        Independent chains, run one after the other: chains that run side by side wait for each other's
        longest trajectory.
    progress
        Called after each chain with its number and the number of chains.

    Returns
    -------
    Posterior
        Draws of all chains; its notes state r-hat, the effective sample size and the divergences.

    Raises
    ------
    RuntimeError
        If the Laplace curvature is not positive.

    Notes
    -----
    The cost is some ten gradients of the whole movie a draw. Believe it where r-hat is below 1.01 and there are
    no divergences; the notes say when it is not so.

    References
    ----------
    M. D. Hoffman and A. Gelman, J. Mach. Learn. Res. 15, 1593 (2014).
    A. Vehtari et al., Bayesian Anal. 16, 667 (2021), doi:10.1214/20-BA1221, for r-hat.
    """
    if chains < 1 or draws < 4 or warmup < 20:
        raise ValueError(f"`chains` must be at least 1, `draws` 4 and `warmup` 20, got {chains}, {draws} and {warmup}.")
    theta, unravel = jax.flatten_util.ravel_pytree(fit.equation)
    p, problems = theta.size, as_fitted(fit, problem)
    factor = jnp.asarray(joint_factor(fit.normal), theta.dtype)
    # reverse derivatives need a number of steps that is fixed
    plans = frozen(fit.plans)
    kept, divergent, cut = [], [], 0
    doubt_key, *chain_keys = jax.random.split(key, chains + 1)
    for chain, chain_key in enumerate(chain_keys):
        positions, diverged, longest = _chain(
            chain_key, fit.equation, fit.starts, factor, problems, plans, warmup, draws
        )
        kept.append(np.asarray(positions))
        divergent.append(np.asarray(diverged))
        cut += int(longest.sum())
        if progress is not None:
            progress(chain + 1, chains)
    stacked = np.stack(kept)
    laws = jnp.asarray(stacked.reshape(-1, p))
    return Posterior(
        fit.equation,
        jax.vmap(unravel)(widened(laws, fit.averaging, jax.random.split(doubt_key, len(laws)))),
        fit,
        "NUTS",
        _diagnosis(jnp.asarray(stacked), int(np.sum(divergent)), cut),
        {"chain": jnp.repeat(jnp.arange(chains), draws), "diverging": jnp.asarray(np.concatenate(divergent))},
    )


@eqx.filter_jit
def _chain(key, equation, starts, factor, problems, plans, warmup: int, draws: int):
    """Draws of the laws, whether each diverged, and whether its trajectory was the longest allowed."""
    theta, unravel = jax.flatten_util.ravel_pytree(equation)
    p = theta.size
    centre = jnp.concatenate([theta, starts.ravel().astype(theta.dtype)])

    def log_density(z):
        x = centre + factor @ z
        return -negative_log_posterior(unravel(x[:p]), x[p:].reshape(starts.shape), problems, plans)

    warm_key, start_key, draw_key = jax.random.split(key, 3)
    warm = blackjax.window_adaptation(blackjax.nuts, log_density, max_num_doublings=MOST_DOUBLINGS)
    start = 0.5 * jax.random.normal(start_key, centre.shape, centre.dtype)
    (state, parameters), _ = warm.run(warm_key, start, warmup)
    kernel = blackjax.nuts(log_density, **parameters)

    def one(state, key):
        state, information = kernel.step(key, state)
        longest = information.num_trajectory_expansions >= MOST_DOUBLINGS
        return state, ((centre + factor @ state.position)[:p], information.is_divergent, longest)

    return jax.lax.scan(one, state, jax.random.split(draw_key, draws))[1]


def _diagnosis(chains: Float[Array, "chain draw p"], divergent: int, cut: int) -> tuple[str, ...]:
    size = float(np.min(blackjax.diagnostics.effective_sample_size(chains)))
    notes = [f"{chains.shape[0]} chains of {chains.shape[1]} draws, effective sample size at least {size:.0f}"]
    if chains.shape[0] > 1:
        r_hat = float(np.max(blackjax.diagnostics.potential_scale_reduction(chains)))
        notes.append(f"r-hat at most {r_hat:.3f}" + ("" if r_hat < 1.01 else ": above 1.01, run longer"))
    notes.append(f"{divergent} divergences" + ("" if divergent == 0 else ": the bands may miss narrow regions"))
    if cut:
        notes.append(f"{cut} draws stopped at the longest trajectory: the posterior is far from the Laplace Gaussian")
    return tuple(notes)
