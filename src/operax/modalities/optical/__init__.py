"""Optical microscopy in colour: from camera frames to phases of particles and their state of charge."""

from .calibration import Calibration as Calibration
from .calibration import calibrate as calibrate
from .colour import absorbance as absorbance
from .colour import background as background
from .colour import contrast as contrast
from .colour import lab as lab
from .colour import linear as linear
from .fractions import Fractions as Fractions
from .fractions import fractions as fractions
from .fractions import state_of_charge as state_of_charge
from .mixture import Phases as Phases
from .mixture import by_threshold as by_threshold
from .mixture import learn as learn
from .mixture import probabilities as probabilities
