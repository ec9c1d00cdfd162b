"""Does water rise into sand by diffusion alone, or against gravity? Two laws of one recorded movie compared.

python examples/capillary_drift.py ../shared/data/real/neutron_capillary_rise_psi

Only the upper bed, which begins dry, is fitted. At its foot the water content is that recorded there; start states
are inferred; the last third of the movie is kept back and predicted. Neither pixel size nor frame interval is stated
with the movie: results are in pixels and frames.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import operax as ox
from operax import laws
from operax.modalities import neutron

ROWS, COLUMNS, DRY = slice(50, 126), slice(30, 158), slice(30, 80)
FOOT = 3  # rows at the foot whose mean is the value fixed there
FRAMES = slice(2, 155, 3)
KNOTS = tuple(np.linspace(0, 0.9, 7))
HELD_OUT = 1 / 3


def profiles(folder: Path) -> tuple[ox.Movie, np.ndarray]:
    """Water content of the upper bed over height, a profile a frame, and its value at the foot."""
    whole = ox.load(folder / "CapillaryRise.mp4", channel="grey", spacing=1.0, times=1.0)
    dry = whole.frames[0, DRY, COLUMNS].mean()
    sand = whole.crop(ROWS, COLUMNS)
    reference = sand[:1].replace(frames=jnp.full((1, *sand.domain.shape), dry), variance=None)
    content = neutron.water_content(sand, reference=reference, attenuation=1.0).mean("column")[FRAMES]
    frames, n = jnp.asarray(content.frames, float), len(content.frames[0]) - FOOT
    domain = ox.Domain(n, 1.0, (("no-flux", "fixed-value"),))
    return ox.Movie(frames[:, :n], content.times, domain), np.asarray(frames[:, n:].mean(1))


def main(folder: str | Path, path: str = "capillary_drift.png"):
    """Fit D(θ) with and without a gravity drift, predict what was kept back, draw laws and residuals."""
    movie, foot = profiles(Path(folder))
    times = np.asarray(movie.times)
    ends = ox.Ends(high=lambda t: jnp.interp(t, times, foot))
    diffusivity = laws.positive(2.0, factor=10) * laws.Exp(laws.Spline(KNOTS, 3.0))
    gravity = laws.positive(0.03, factor=5) * laws.Exp(laws.Legendre(1, 1.0, span=(0.0, 0.9))) * (lambda c: c**3)
    candidates = {
        "diffusion": ox.Diffusion(diffusivity, ends=ends),
        "diffusion and gravity": ox.Diffusion(diffusivity, ends=ends, drift=gravity),
    }
    problem = ox.Problem(movie, None, ox.noise.estimate(movie))
    found = ox.compare(candidates, problem, unseen=HELD_OUT)
    print(found)
    for name, best in zip(found.names, found.fits):
        print(f"{name}: {ox.explained(best, problem)}")
        print(ox.identify(best, problem))

    c = jnp.linspace(0.02, 0.75, 60)
    figure, axes = plt.subplots(1, 4, figsize=(14, 3.4), layout="constrained")
    for name, best in zip(found.names, found.fits):
        posterior = ox.laplace(best, problem, key=jax.random.key(0), residual_scale=True)
        low, middle, high = posterior.band(lambda e: e.diffusivity(c))
        axes[0].plot(c, middle, label=name)
        axes[0].fill_between(c, low, high, alpha=0.3)
    axes[0].set(yscale="log", xlabel="θ (optical density)", ylabel="D (px² per frame)")
    axes[0].legend(fontsize=7)
    chosen = found.fits[int(np.argmax(found.evidence))]
    predicted = ox.fitted(chosen, problem)
    for frame in (0, 5, 20, 50):
        (line,) = axes[1].plot(movie.frames[frame], label=f"frame {frame * 3 + 2}", lw=1)
        axes[1].plot(predicted.frames[frame], "--", color=line.get_color(), lw=1)
    axes[1].set(xlabel="row (px)", ylabel="θ; dashed: fitted")
    axes[1].legend(fontsize=7)
    noise = float(jnp.sqrt(problem.variance.mean()))
    for axis, best, name in zip(axes[2:], found.fits, found.names):
        residual = (movie.frames - ox.fitted(best, problem).frames) / noise
        shown = axis.imshow(residual, aspect="auto", cmap="RdBu_r", vmin=-10, vmax=10)
        axis.set(title=f"residual / noise, {name}", xlabel="row (px)", ylabel="frame / 3")
    figure.colorbar(shown, ax=axes[3])
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return found


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(*sys.argv[1:])
