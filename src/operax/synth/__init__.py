"""Reference movies with known laws and instrument noise, for tests, examples and benchmarks."""

from .graphite import GRAPHITE_LIMITS as GRAPHITE_LIMITS
from .graphite import Colours as Colours
from .graphite import graphite_colour as graphite_colour
from .graphite import graphite_optical as graphite_optical
from .iron import IRON_PHASES as IRON_PHASES
from .iron import iron_edge as iron_edge
from .lfp import LFP_START as LFP_START
from .lfp import Scans as Scans
from .lfp import lfp_insertion as lfp_insertion
from .lfp import row_noise as row_noise
from .neutron import Radiographs as Radiographs
from .neutron import neutron_cell as neutron_cell
from .spinodal import STXM_NOISE as STXM_NOISE
from .spinodal import Truth as Truth
from .spinodal import cahn_hilliard as cahn_hilliard
from .spinodal import lfp_stxm as lfp_stxm
from .spinodal import particles as particles
