"""Scanning transmission X-ray microscopy: from counts to optical density, components and lithium fraction."""

from .components import Components as Components
from .components import components as components
from .components import joined as joined
from .components import lithium_fraction as lithium_fraction
from .components import two_energies as two_energies
from .density import Incident as Incident
from .density import empty_pixels as empty_pixels
from .density import incident as incident
from .density import optical_density as optical_density
from .density import read_incident as read_incident
from .heterogeneity import domain_sizes as domain_sizes
from .heterogeneity import structure_factor as structure_factor
from .heterogeneity import uniformity as uniformity
from .spectra import Spectra as Spectra
from .spectra import read_spectra as read_spectra
from .unmix import unmix as unmix
