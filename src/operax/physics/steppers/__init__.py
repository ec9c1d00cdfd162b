"""Time steppers, each a diffrax solver and what scans of steps call."""

from .etdrk4 import ETDRK4 as ETDRK4
from .rosenbrock import Rosenbrock as Rosenbrock
from .semilinear import AbstractStepper as AbstractStepper
from .semilinear import SemilinearTerm as SemilinearTerm
from .semilinear import damping as damping
