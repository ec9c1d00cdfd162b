"""Laws, equations and their solution on micrographs."""

from . import kinetics as kinetics
from . import laws as laws
from . import steppers as steppers
from .ends import Ends as Ends
from .equations import AbstractEquation as AbstractEquation
from .equations import AllenCahn as AllenCahn
from .equations import CahnHilliard as CahnHilliard
from .equations import Diffusion as Diffusion
from .simulate import simulate as simulate
