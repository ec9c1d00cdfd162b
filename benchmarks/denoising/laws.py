"""Errors of laws fitted to a noisy spinodal movie from the first frame of an estimate of it, in one window.

``python -m denoising.laws MOVIES.npz`` prints them as JSON; MOVIES holds ``noisy``, ``estimate`` and ``clean``. The
estimate has read the frames that the fit is judged on: what a denoiser does to a start state is what is looked at.
"""

import json
import sys

import jax
import numpy as np
from starts import EDGE, UNKNOWN, visited_errors

import operax as ox

from .movies import spinodal


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    with np.load(sys.argv[1], allow_pickle=False) as file:
        size, count = file["noisy"].shape[-1], len(file["noisy"])
        raw, states, clean = (
            spinodal(size, file[name].astype(float), count) for name in ("noisy", "estimate", "clean")
        )
    states = states.replace(frames=np.clip(states.frames, EDGE, 1 - EDGE), reads=(0,))
    problem = ox.Problem(raw, states, ox.noise.estimate(raw), window=None, start=ox.Given())
    best = ox.fit(UNKNOWN, problem, method=ox.LevenbergMarquardt(tolerance=1e-3))
    errors = {f"{law} error [%]": 100 * error for law, error in visited_errors(best.equation, clean).items()}
    print(json.dumps(errors | {"fit": best.result}))


if __name__ == "__main__":
    main()
