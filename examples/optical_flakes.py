"""How many layers has a flake? Colour classes of a recorded micrograph, with probabilities.

python examples/optical_flakes.py ../shared/data/real/optical_graphene_flakes
"""

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import operax as ox
from operax.modalities import optical

PICTURE = "*bf3ea93c.jpg"
EVEN = 0.05  # contrast within which a pixel is bare substrate
ALIKE = 6.0  # standard deviations within which a pixel is like a class


def main(folder: str | Path, path: str = "optical_flakes.png"):
    """Correct the illumination, class every pixel by published colours, draw picture and classes."""
    folder = Path(folder)
    seen = ox.load(folder, dataset=PICTURE, times=1.0, spacing=1.0)
    seen = seen.replace(frames=seen.frames[:, ::2, ::2], domain=ox.Domain((600, 960), 2.0))
    usual = np.median(np.asarray(seen.frames[0]), (0, 1))
    ground = np.abs(np.asarray(seen.frames[0]) / usual - 1).max(-1) < 2 * EVEN
    contrast = optical.contrast(seen, optical.background(seen, ground))

    published = json.loads((folder / "class_colours_graphene.json").read_text())
    means = [[0.0, 0.0, 0.0], *([layer["contrast"][c] for c in "rgb"] for layer in published.values())]
    # stored for blue, green, red
    spread = [np.array(layer["covariance_matrix"])[::-1, ::-1] for layer in published.values()]
    names = ("bare", *(f"{n} layers" for n in published))
    phases = optical.Phases(means, [spread[0], *spread], np.full(len(names), 1 / len(names)), names)
    chances = optical.probabilities(phases, contrast)

    # Thicker flakes are like none of the classes: they stay white.
    off = np.asarray(contrast.frames[0])[..., None, :] - np.asarray(means)
    distance = np.stack(
        [
            np.linalg.norm(off[..., k, :] @ np.linalg.inv(np.linalg.cholesky(s)).T, axis=-1)
            for k, s in enumerate([spread[0], *spread])
        ]
    )
    layers = np.where(distance.min(0) < ALIKE, np.asarray(chances.frames[0]).argmax(-1), np.nan)

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
    left.imshow(np.asarray(seen.frames[0]) / 255)
    shown = right.imshow(layers, cmap=plt.get_cmap("viridis", len(names)), vmin=-0.5, vmax=len(names) - 0.5)
    figure.colorbar(shown, label="layers", ticks=range(len(names)), shrink=0.8)
    for ax, title in ((left, "seen"), (right, "classes; white is like none")):
        ax.set(title=title, xticks=[], yticks=[])
    figure.savefig(path)
    plt.close(figure)
    return chances


if __name__ == "__main__":
    main(sys.argv[1])
