"""Time steppers, each a diffrax solver and a plain step function for scans."""

from .etdrk4 import ETDRK4 as ETDRK4
from .etdrk4 import SemilinearTerm as SemilinearTerm
from .rosenbrock import Rosenbrock as Rosenbrock
