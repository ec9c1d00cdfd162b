"""Noise models of a recorded movie, and what a movie tells about its own noise."""

from .correlation import Correlation, autocorrelation
from .estimate import estimate, flats
from .models import Gaussian, PoissonGaussian

__all__ = ["Correlation", "Gaussian", "PoissonGaussian", "autocorrelation", "estimate", "flats"]
