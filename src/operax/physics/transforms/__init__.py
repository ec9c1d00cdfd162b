"""One transform for each geometry: it diagonalises the discrete Laplacian of `operators` exactly."""

from .box import Box as Box
from .choice import transform as transform
from .conjugate import ConjugateGradients as ConjugateGradients
from .eigenbasis import Eigenbasis as Eigenbasis
from .interface import AbstractTransform as AbstractTransform
from .modes import smooth_modes as smooth_modes
