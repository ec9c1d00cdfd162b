"""Figures, checks, and reports as one HTML file."""

from . import figures as plot
from .denoised import denoise_report
from .html import report

__all__ = ["denoise_report", "plot", "report"]
