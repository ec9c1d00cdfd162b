"""Does gravity explain how water rises in sand? A neutron movie fitted without and with a drift, and judged.

python examples/capillary_drift.py path/to/CapillaryRise.mp4

The movie is CapillaryRise.mp4 of the Quantitative Big Imaging lecture (A. Kaestner, K. Mader, 2021, Apache-2.0).
Neither pixel size nor frame interval is stated with it: results are in pixels and frames.
"""

import sys

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import operax as ox
from operax import laws

# Dry sand above, wet sand below; the rim of the box and the tilted front on the right are left out.
ROWS, COLUMNS, DRY = slice(20, 208), slice(30, 158), slice(30, 80)
# The front is sharpest, and least like diffusion, in the first two frames.
FRAMES = slice(2, 155, 5)
COARSER = 4  # rows to one of the fit
LEAST = 1.0  # where D is less, fronts are sharper than these rows can show
STEPS = 60


def water(path: str) -> ox.Movie:
    """Optical depth of water, mean over the columns: the sand that stays dry is the reference."""
    movie = ox.load(path, channel="grey", spacing=1.0, times=1.0)
    level = movie.frames[0, DRY, COLUMNS].mean()
    # the mean before the logarithm, which noise would bias
    profile = movie.frames[FRAMES, ROWS, COLUMNS].mean(2)
    profile = profile.reshape(len(profile), -1, COARSER).mean(2)
    domain = ox.Domain((profile.shape[1],), float(COARSER))
    return ox.Movie(-jnp.log(profile / level), movie.times[FRAMES], domain, units=("px", "frame", "optical depth"))


def candidates() -> dict[str, ox.physics.AbstractEquation]:
    """Diffusion in a closed box; and with water sinking at a speed v θ² besides, down the rows or up."""
    knots = np.linspace(0.0, 1.3, 7)
    diffusivity = LEAST + laws.Exp(laws.Unknown(np.log(3.0), np.log(10.0)) + laws.Spline(knots, 1.0))
    sinking = laws.Unknown(0.0, 1.0) * laws.Known(jnp.square)
    return {"diffusion": ox.Diffusion(diffusivity), "with gravity": ox.Diffusion(diffusivity, drift=sinking)}


def main(path: str, figure_path: str = "capillary_drift.png"):
    """Fit both, predict the last third from the first two, ask the residuals, draw what is missed and where."""
    seen = water(path)
    problem = ox.Problem(seen, None, ox.noise.estimate(seen))
    found = ox.compare(candidates(), problem, method=ox.LevenbergMarquardt(steps=STEPS))
    print(found)

    figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
    last, depth = float(seen.times[-1]), COARSER * seen.domain.shape[0]
    look = {"aspect": "auto", "extent": (0, last, depth, 0)}
    image = axes[0].imshow(np.asarray(seen.frames).T, cmap="viridis", **look)
    axes[0].set(xlabel="frame", ylabel="row [px]", title="optical depth of water")
    figure.colorbar(image)
    theta = jnp.linspace(0.0, 1.3, 66)
    for name, best, ax in zip(found.names, found.fits, axes[1:]):
        print(f"{name}: {ox.explained(best, problem)}")
        residual = (seen.frames - ox.fitted(best, problem).frames) / problem.variance**0.5
        image = ax.imshow(np.asarray(residual).T, cmap="RdBu", vmin=-10, vmax=10, **look)
        ax.set(xlabel="frame", title=f"residual / noise, {name}")
        posterior = ox.laplace(best, problem, key=jax.random.key(1), residual_scale=True)
        low, middle, high = posterior.band(lambda e: e.diffusivity(theta))
        axes[3].fill_between(theta, low, high, alpha=0.4)
        axes[3].plot(theta, middle, label=name)
    figure.colorbar(image)
    axes[3].set(xlabel="optical depth θ", ylabel="D [px²/frame]", yscale="log")
    axes[3].legend()
    figure.savefig(figure_path)
    plt.close(figure)
    return found, problem


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(*sys.argv[1:])
