"""Time steppers, each a diffrax solver and what scans of steps call."""

from .etdrk2 import ETDRK2 as ETDRK2
from .etdrk4 import ETDRK4 as ETDRK4
from .implicit import SBDF2 as SBDF2
from .implicit import SemiImplicitEuler as SemiImplicitEuler
from .rosenbrock import Rosenbrock as Rosenbrock
from .semilinear import AbstractStepper as AbstractStepper
from .semilinear import SemilinearTerm as SemilinearTerm
from .semilinear import damping as damping
