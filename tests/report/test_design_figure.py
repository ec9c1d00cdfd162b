"""The figure of a design shows every recording and its gain."""

import numpy as np

from operax.inference import Design
from operax.report import figures


def test_every_recording_has_a_bar_as_long_as_its_median_gain():
    found = Design(("as recorded", "twice the $dose$"), np.array([[2.0, 4.0], [1.0, 1.0]]))
    ax = figures.design(found)
    assert [bar.get_width() for bar in ax.patches] == [1.0, 3.0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["as recorded", r"twice the \$dose\$"]
    assert figures.png(ax.figure).startswith(b"\x89PNG")
