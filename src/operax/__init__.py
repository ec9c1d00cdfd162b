"""operax: from a noisy operando movie to the physical laws that made it, with error bars."""

from .front import __all__ as __all__
from .front import __dir__ as __dir__
from .front import __getattr__ as __getattr__
