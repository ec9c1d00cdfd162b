"""How JAX is set up while a command runs, and put back after."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Compute in float64, as fits need it; the setting before is restored at the end.

    Notes
    -----
    No cache of compiled programs is set up. On a CPU, programs read back from JAX's cache round differently
    from those just compiled, so that a second run of one config gave another denoised movie. Who prefers
    speed can set ``JAX_COMPILATION_CACHE_DIR``.
    """
    import jax

    name = "jax_enable_x64"
    before = getattr(jax.config, name)
    jax.config.update(name, True)
    try:
        yield
    finally:
        jax.config.update(name, before)
