"""Denoise one movie with a network trained on that movie, or with a classical baseline."""

from .assess import DenoiseReport, assess
from .baselines import LowRank, TemporalMean
from .choose import Choice, choose
from .denoiser import Denoiser
from .networks import UDVD, BlindSpot, FrameBlind
from .progress import narrate
from .store import load, save
from .stream import stream
from .train import train, tune

__all__ = [
    "UDVD",
    "BlindSpot",
    "Choice",
    "DenoiseReport",
    "Denoiser",
    "FrameBlind",
    "LowRank",
    "TemporalMean",
    "assess",
    "choose",
    "load",
    "narrate",
    "save",
    "stream",
    "train",
    "tune",
]
