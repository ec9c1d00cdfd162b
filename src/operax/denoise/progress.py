"""Tell how a training is getting on."""

import sys
import time
from collections.abc import Callable
from typing import TextIO


def narrate(stream: TextIO | None = None) -> Callable[[int, int, float], None]:
    """A ``progress`` for `train` that prints steps, time left, and the blind risk on one line.

    Parameters
    ----------
    stream
        Where to; standard error by default.
    """
    out = sys.stderr if stream is None else stream
    began: list[tuple[float, int]] = []

    def tell(step: int, steps: int, risk: float) -> None:
        began.append((time.monotonic(), step))
        # The first stretch holds the compilation, and is left out of the rate.
        (start, first), (now, _) = began[0], began[-1]
        left = f"{(now - start) / (step - first) * (steps - step):.0f} s left" if step > first else "measuring speed"
        out.write(f"\rstep {step} of {steps}, {left}, blind risk {risk:.3g}   " + ("\n" if step == steps else ""))
        out.flush()

    return tell
