"""From what an instrument writes to a composition movie with variance."""

from . import neutron as neutron
