"""operax: from a noisy operando movie to the physical laws that made it, with error bars."""

from . import denoise as denoise
from . import metrics as metrics
from . import modalities as modalities
from . import noise as noise
from . import synth as synth
from .domain import Domain as Domain
from .inference import Fit as Fit
from .inference import Given as Given
from .inference import LevenbergMarquardt as LevenbergMarquardt
from .inference import Posterior as Posterior
from .inference import PreRoll as PreRoll
from .inference import Problem as Problem
from .inference import fit as fit
from .inference import fitted as fitted
from .inference import laplace as laplace
from .inference import sample as sample
from .io import info as info
from .io import load as load
from .io import save as save
from .movie import Movie as Movie
from .physics import CahnHilliard as CahnHilliard
from .physics import Diffusion as Diffusion
from .physics import laws as laws
from .physics import simulate as simulate
from .physics import steppers as steppers
