"""Equations of motion: what changes a composition, and how stiff that is."""

from .cahn_hilliard import CahnHilliard as CahnHilliard
from .diffusion import Diffusion as Diffusion
from .interface import AbstractEquation as AbstractEquation
