"""Denoise one movie with a network trained on that movie, or with a classical baseline."""

from .assess import DenoiseReport, assess
from .baselines import LowRank, TemporalMean
from .choose import Choice, choose
from .denoiser import Denoiser
from .ensemble import Ensemble
from .filters import NonLocalMeans, TotalVariation
from .networks import UDVD, BlindSpot, FrameBlind
from .pictures import Cosines
from .progress import narrate
from .response import Response, respond
from .store import load, save
from .stream import stream
from .train import train, tune

__all__ = [
    "UDVD",
    "BlindSpot",
    "Choice",
    "Cosines",
    "DenoiseReport",
    "Denoiser",
    "Ensemble",
    "FrameBlind",
    "LowRank",
    "NonLocalMeans",
    "Response",
    "TemporalMean",
    "TotalVariation",
    "assess",
    "choose",
    "load",
    "narrate",
    "respond",
    "save",
    "stream",
    "train",
    "tune",
]
