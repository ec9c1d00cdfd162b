"""Neutron radiography: from counts to transmission, and from there to the amount of an absorber."""

from .cross_sections import attenuation as attenuation
from .cross_sections import cross_section as cross_section
from .depth import change as change
from .depth import concentration as concentration
from .depth import optical_depth as optical_depth
from .depth import water_content as water_content
from .spots import remove_spots as remove_spots
from .transmission import scattered as scattered
from .transmission import transmission as transmission
