"""The transform of a rectangle without a mask."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...domain import Domain
from .interface import AbstractTransform, solve_by_modes
from .waves import Waves, eigenvalues


class Box(AbstractTransform):
    """Sines and cosines along axes with ends, a real Fourier transform along periodic axes."""

    domain: Domain = eqx.field(static=True)
    eigenvalues: Float[np.ndarray, "*modes"]
    waves: tuple[Waves | None, ...]  # None along a periodic axis

    def __init__(self, domain: Domain):
        self.domain = domain
        self.waves = tuple(None if b == "periodic" else Waves(n, e) for n, b, e in _axes(domain))
        halved = max(self._periodic, default=None)
        total = np.zeros(())
        for axis, ((n, _, ends), h) in enumerate(zip(_axes(domain), domain.spacing)):
            total = np.add.outer(total, eigenvalues(n, h, ends)[: n // 2 + 1 if axis == halved else n])
        self.eigenvalues = total

    @property
    def _periodic(self):
        return tuple(axis for axis, waves in enumerate(self.waves) if waves is None)

    def forward(self, u):
        for axis, waves in enumerate(self.waves):
            u = u if waves is None else waves.forward(u, axis)
        return jnp.fft.rfftn(u, axes=self._periodic) if self._periodic else u

    def inverse(self, amplitudes):
        u = amplitudes
        if self._periodic:
            u = jnp.fft.irfftn(u, s=[self.domain.shape[i] for i in self._periodic], axes=self._periodic)
        for axis, waves in enumerate(self.waves):
            u = u if waves is None else waves.inverse(u, axis)
        return u

    def solve(self, a, b, c, u):
        return solve_by_modes(self, a, b, c, u)


def _axes(domain):
    return tuple(zip(domain.shape, domain.boundary, domain.ends))
