"""Fit laws to movies and say how well they are known."""

from .fit import Fit as Fit
from .fit import fit as fit
from .fit import fitted as fitted
from .likelihood import Correlated as Correlated
from .likelihood import StudentT as StudentT
from .observe import Blur as Blur
from .optimise import LevenbergMarquardt as LevenbergMarquardt
from .posterior import Posterior as Posterior
from .posterior import laplace as laplace
from .problem import Problem as Problem
from .progress import Progress as Progress
from .sample import sample as sample
from .starts import Given as Given
from .starts import PreRoll as PreRoll
