"""Which transform suits a domain."""

from functools import lru_cache

from ...domain import Domain
from .box import Box
from .conjugate import ConjugateGradients
from .eigenbasis import Eigenbasis, numbers_needed
from .interface import AbstractTransform
from .particles import particles

# A dense eigenbasis of n pixels costs n² numbers and an O(n³) factorisation, once a particle.
LARGEST_PARTICLE = 5000
# Many particles: as much memory as four of the largest, 0.8 GB in double precision.
MOST_NUMBERS = 4 * LARGEST_PARTICLE**2


@lru_cache(maxsize=16)
def transform(domain: Domain) -> AbstractTransform:
    """The transform of a domain; the last few are kept.

    Sines, cosines and Fourier waves for a rectangle, an eigenbasis for particles of up to 5,000 pixels each,
    conjugate gradients above that.
    """
    if not domain.masked:
        return Box(domain)
    if len(particles(domain).pixels[0]) > LARGEST_PARTICLE or numbers_needed(domain) > MOST_NUMBERS:
        return ConjugateGradients(domain)
    return Eigenbasis(domain)
