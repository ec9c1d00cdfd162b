"""Figures, checks, and reports as one HTML file."""

from . import cell
from . import figures as plot
from .denoised import denoise_report
from .html import report

__all__ = ["cell", "denoise_report", "plot", "report"]
