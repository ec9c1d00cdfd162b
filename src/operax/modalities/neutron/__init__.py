"""Neutron radiography: from counts to transmission, and from there to the amount of an absorber."""

from .attenuation import water_content as water_content
