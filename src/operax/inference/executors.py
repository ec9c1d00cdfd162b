"""Work on members, here or in the processes of an executor. What travels are arrays and what rebuilds an equation."""

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed

import jax
import jax.numpy as jnp
import numpy as np

from .kept import FIELDS
from .members import Shared, side_by_side
from .remade import one_by_one

# Members that were fitted together, or why they were not.
Outcome = dict[str, np.ndarray] | str


def work(shared: Shared, numbers: Sequence[int], devices: tuple[jax.Device, ...], double: bool) -> Outcome:
    """Fit members together; in a process of its own this is all that runs.

    A fresh process has JAX's default precision, so ``double`` says which one the numbers have.
    """
    # any failure of a batch is that batch's own: the rest of the ensemble goes on, and the reason is reported
    try:
        with jax.enable_x64(double):
            here = jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, shared)
            each = jnp.asarray(numbers)
            ended = side_by_side(here, each, devices) if here.remake is None else one_by_one(here, each)
            return {name: np.asarray(getattr(ended, name)) for name in FIELDS}
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def outcomes(
    shared: Shared, batches: Sequence[tuple[int, ...]], executor: Executor | None, devices: tuple[jax.Device, ...]
) -> Iterator[tuple[tuple[int, ...], Outcome]]:
    """What became of every batch of members, each as it finishes.

    Raises
    ------
    RuntimeError
        If the processes of the executor have died. What had finished was given before.
    """
    double = shared.xi.dtype == np.float64
    if executor is None:
        for batch in batches:
            yield batch, work(shared, batch, devices, double)
        return
    # arrays of numpy keep their precision on the way into a process that does not know of it yet
    sent = jax.tree.map(lambda x: np.asarray(x) if isinstance(x, jax.Array) else x, shared)
    futures: dict[Future, tuple[int, ...]] = {executor.submit(work, sent, b, (), double): b for b in batches}
    died: BaseException | None = None
    try:
        for future in as_completed(futures):
            try:
                outcome = _outcome(future)
            except (BrokenExecutor, CancelledError) as error:
                # others may have finished before: what they found is kept first
                died = error
                continue
            yield futures[future], outcome
    finally:
        for future in futures:
            future.cancel()
    if died is not None:
        raise RuntimeError(
            f"the executor's processes have died ({type(died).__name__}: {died}); members that had finished are "
            "kept where `folder` was given, and the same call with a new executor goes on from them."
        ) from died


def _outcome(future: Future) -> Outcome:
    try:
        return future.result()
    except (BrokenExecutor, CancelledError):
        raise
    # what could not be sent, or came back from a worker as an exception
    except Exception as error:
        return f"{type(error).__name__}: {error}"
