"""Small equations written out agree with LAPACK."""

import jax.numpy as jnp
import numpy as np

from operax.denoise.small import solved


def test_solutions_and_determinants_are_those_of_lapack():
    root = np.random.default_rng(0).standard_normal((5, 3, 3))
    matrices = root @ root.swapaxes(1, 2) + 0.1 * np.eye(3)
    right = np.random.default_rng(1).standard_normal((5, 3, 2))
    found, logarithm = solved(jnp.asarray(matrices), jnp.asarray(right))
    np.testing.assert_allclose(found, np.linalg.solve(matrices, right), rtol=1e-9)
    np.testing.assert_allclose(logarithm, np.linalg.slogdet(matrices)[1], rtol=1e-9)
