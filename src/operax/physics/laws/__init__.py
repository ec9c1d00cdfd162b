"""Constitutive laws: functions of composition, known or with unknown coefficients.

The leaves of a law are its unknown numbers in standard-normal coordinates; the constructor states the prior in
physical terms.
"""

from .coordinates import Frozen as Frozen
from .coordinates import draw as draw
from .coordinates import freeze as freeze
from .coordinates import tangents as tangents
from .extension import EDGE as EDGE
from .extension import LEVEL as LEVEL
from .law import AbstractLaw as AbstractLaw
from .law import Constant as Constant
from .law import Known as Known
from .law import Product as Product
from .law import Sum as Sum
from .law import as_law as as_law
from .law import check_uniform as check_uniform
from .law import derivative as derivative
from .mixing import Degenerate as Degenerate
from .mixing import IdealMixing as IdealMixing
from .mixing import RedlichKister as RedlichKister
from .mixing import RegularSolution as RegularSolution
from .neural import Neural as Neural
from .series import Legendre as Legendre
from .series import Monotone as Monotone
from .series import Spline as Spline
from .unknown import Exp as Exp
from .unknown import Unknown as Unknown
from .unknown import positive as positive
