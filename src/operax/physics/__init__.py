"""Laws, equations and their solution on micrographs."""

from . import laws as laws
from . import steppers as steppers
from .equations import AbstractEquation as AbstractEquation
from .equations import CahnHilliard as CahnHilliard
from .equations import Diffusion as Diffusion
from .simulate import simulate as simulate
