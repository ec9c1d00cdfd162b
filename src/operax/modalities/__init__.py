"""From what an instrument writes to a composition movie with variance."""

from . import neutron as neutron
from . import optical as optical
from . import stxm as stxm
from .particles import f_score as f_score
from .particles import from_marks as from_marks
from .particles import particle_mask as particle_mask
from .particles import segment as segment
from .particles import split_by_colour as split_by_colour
from .particles import track as track
from .profiles import Edge as Edge
from .profiles import edge as edge
from .registration import Registration as Registration
from .registration import aligned as aligned
from .registration import register as register
