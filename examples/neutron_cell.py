"""How fast does lithium diffuse through an electrode? From neutron counts to D(c) with its band.

python examples/neutron_cell.py
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import operax as ox
from operax.modalities import neutron

HOUSING = 0.5  # optical depth of the cell without lithium, from a picture of an empty one
START = 0.05  # lithium fraction before the charge, known from the cell's history
# The noise of the open beam is the same in every transmission, and no band knows of it: with 20 frames of it
# D comes out four standard deviations off.
REFERENCES = 400


def main(size: int = 40, frames: int = 32, path: str = "neutron_cell.png"):
    """Simulate counts, correct them, fit D(c) to the profiles through the thickness, draw it with its band."""
    cell = ox.synth.neutron_cell(key=jax.random.key(0), size=size, frames=frames, references=REFERENCES)

    counts = neutron.remove_spots(cell.sample, cell.noise)
    transmitted = neutron.transmission(counts, cell.open_beam, cell.dark, noise=cell.noise)
    # averaged along the electrode before the logarithm, which noise would bias
    depth = neutron.optical_depth(transmitted.mean("column"))
    line = cell.profile.domain
    fraction = depth.replace(
        frames=(depth.frames - HOUSING) / cell.lithium, variance=depth.variance / cell.lithium**2, domain=line
    )

    start = fraction.replace(frames=fraction.frames.at[0].set(START))
    problem = ox.Problem(fraction, start, observe=ox.Blur(line, cell.blur * line.spacing[0]), start=ox.Given())
    diffusivity = ox.laws.Exp(ox.laws.Unknown(np.log(1e-4), 1.0) + ox.laws.Legendre(2))
    best = ox.fit(ox.Diffusion(diffusivity, ends=cell.equation.ends), problem)
    posterior = ox.laplace(best, problem, key=jax.random.key(1))

    c = jnp.linspace(START, 0.65, 61)
    truth = cell.equation.diffusivity(c)
    draws = posterior(lambda e: e.diffusivity(c))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    image = left.imshow(np.asarray(fraction.frames).T, aspect="auto", cmap="viridis")
    left.set(xlabel="frame", ylabel="row through the thickness", title="Li fraction measured")
    figure.colorbar(image)
    ox.plot.band(c, 1e6 * draws, ax=right, label="fitted")
    right.plot(c, 1e6 * truth, "k--", label="true")
    right.set(xlabel="Li fraction", ylabel="D [µm²/s]")
    right.legend()
    figure.savefig(path)
    plt.close(figure)
    return c, truth, draws


if __name__ == "__main__":
    main()
