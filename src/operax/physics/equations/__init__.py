"""Equations of motion: what changes a composition, and how stiff that is."""

from .allen_cahn import AllenCahn as AllenCahn
from .cahn_hilliard import CahnHilliard as CahnHilliard
from .diffusion import Diffusion as Diffusion
from .intercalation import Intercalation as Intercalation
from .interface import AbstractEquation as AbstractEquation
from .interface import AbstractPhaseField as AbstractPhaseField
from .reaction import Current as Current
from .reaction_diffusion import ReactionDiffusion as ReactionDiffusion
from .two_layer_graphite import TwoLayerGraphite as TwoLayerGraphite
