"""Reference movies with known laws and instrument noise, for tests, examples and benchmarks."""

from .neutron import Radiographs as Radiographs
from .neutron import neutron_cell as neutron_cell
from .spinodal import STXM_NOISE as STXM_NOISE
from .spinodal import Truth as Truth
from .spinodal import cahn_hilliard as cahn_hilliard
from .spinodal import lfp_stxm as lfp_stxm
from .spinodal import particles as particles
