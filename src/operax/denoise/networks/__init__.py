"""Networks in Flax nnx, handed out as data: a static graph definition and a plain nested dict of weights."""

from .apply import GRID, apply
from .spot import BlindSpot, FrameBlind
from .udvd import UDVD

__all__ = ["GRID", "UDVD", "BlindSpot", "FrameBlind", "apply"]
