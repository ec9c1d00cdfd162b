"""Laws, equations and their solution on micrographs."""

from . import constants as constants
from . import kinetics as kinetics
from . import laws as laws
from . import phases as phases
from . import steppers as steppers
from .adaptive import Integration as Integration
from .adaptive import integrate as integrate
from .diagnostics import Diagnosis as Diagnosis
from .diagnostics import diagnose as diagnose
from .ends import Ends as Ends
from .equations import AbstractEquation as AbstractEquation
from .equations import AllenCahn as AllenCahn
from .equations import CahnHilliard as CahnHilliard
from .equations import Current as Current
from .equations import Diffusion as Diffusion
from .equations import Intercalation as Intercalation
from .equations import ReactionDiffusion as ReactionDiffusion
from .equations import TwoLayerGraphite as TwoLayerGraphite
from .gauge import gauge_directions as gauge_directions
from .rate_field import RateField as RateField
from .scales import Scales as Scales
from .simulate import simulate as simulate
