"""Denoise one movie with a network trained on that movie, or with a classical baseline."""

from .assess import DenoiseReport, assess
from .baselines import LowRank, TemporalMean
from .denoiser import Denoiser
from .networks import BlindSpot
from .train import train

__all__ = ["BlindSpot", "DenoiseReport", "Denoiser", "LowRank", "TemporalMean", "assess", "train"]
