"""Where does which phase lie? Component maps of a recorded STXM energy stack, with their standard deviation.

python examples/stxm_maps.py ../shared/data/real/stxm_fe_l23_als
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import operax as ox
from operax.modalities import stxm


def main(folder: str | Path, path: str = "stxm_maps.png"):
    """Read the stack, find the flux, map two components, draw maps and standard deviations."""
    folder = Path(folder)
    raw = ox.load(folder / "71214078_raw.zip")
    flux = stxm.incident(raw, stxm.empty_pixels(raw))
    density = stxm.optical_density(raw, flux, ox.noise.estimate(raw))
    spectra = stxm.read_spectra({"reduced": folder / "reduced.t", "oxidized": folder / "oxidized.t"})
    found = stxm.components(density, spectra, background=1)

    figure, axes = plt.subplots(2, 2, figsize=(8, 7), layout="constrained")
    for (above, below), name in zip(axes.T, found.names):
        movie = found.movie(name)
        for ax, values, title in ((above, movie.frames, name), (below, movie.variance**0.5, f"std of {name}")):
            figure.colorbar(ax.imshow(np.asarray(values[0]), cmap="cividis"), ax=ax)
            ax.set(title=title, xticks=[], yticks=[])
    figure.savefig(path)
    plt.close(figure)
    return found


if __name__ == "__main__":
    main(sys.argv[1])
