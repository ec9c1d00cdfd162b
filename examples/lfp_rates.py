"""Where does a platelet react faster? A rate field and its kinetics on a recorded LiFePO4 outline, fitted together.

python examples/lfp_rates.py ../shared/data/real/lfp_particle_xray_4dstem

The outline is a recording; the movie on it is simulated, since the recording has a single state: a mean rate of one
filling an hour, thirty frames, noise of 0.07. What is found can therefore be compared with what was put in.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import scipy.io
import scipy.ndimage

import operax as ox
from operax import laws

RECORDING = "LFP50_P2.mat"
COARSER = 6  # recorded pixels to one of the movie
# Interfaces a few pixels wide; the bare one of LiFePO4 is far thinner than a pixel of any such movie.
KAPPA = 0.3 * COARSER**2
FRAMES, SIGMA, FROM, TO = 30, 0.07, 0.12, 0.85
# As many as the truth has: with half of them j0 came out two stated deviations too low, under χ² = 0.99.
MODES = 60
KINETICS = ("j₀ at c = 0.2", "j₀ at c = 0.5", "j₀ at c = 0.8", "Ω")


def outline(folder: Path) -> ox.Domain:
    """The platelet, as its authors cut it (thickness above 0.1), smoothed, without holes, on coarser pixels."""
    maps = scipy.io.loadmat(folder / RECORDING)
    thickness = scipy.ndimage.gaussian_filter(maps["FP"] + maps["LFP"], COARSER / 2)
    rows, columns = (n - n % COARSER for n in thickness.shape)
    blocks = thickness[:rows, :columns].reshape(rows // COARSER, COARSER, columns // COARSER, COARSER)
    parts, _ = scipy.ndimage.label(scipy.ndimage.binary_fill_holes(blocks.mean((1, 3)) > 0.1))
    inside = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    along, across = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    inside = np.pad(inside[along[0] : along[-1] + 1, across[0] : across[-1] + 1], 1)
    return ox.Domain(inside.shape, float(COARSER), inside=inside)


def equation(level, omega, field) -> ox.Intercalation:
    """Butler–Volmer insertion at one filling an hour into a host that would separate."""
    kinetics = ox.kinetics.ButlerVolmer(laws.Degenerate(level))
    return ox.Intercalation(kinetics, laws.RegularSolution(omega), KAPPA, ox.Current(1.0), rate_field=field)


def kinetics(e: ox.Intercalation):
    """What is reported of the laws."""
    return jnp.append(e.kinetics.j0(jnp.array([0.2, 0.5, 0.8])), e.potential.omega(jnp.array(0.5)))


def recorded(domain: ox.Domain, key) -> tuple[ox.Intercalation, ox.Movie]:
    """The truth, with a log k as rough as its prior says, and a noisy movie of it."""
    field_key, start_key, noise_key = jax.random.split(key, 3)
    field = ox.RateField(domain, MODES, 0.5)
    field = jax.tree.map(lambda x: jax.random.normal(field_key, x.shape), field)
    truth = equation(3.0, 2.5, np.where(domain.inside, np.asarray(field()), 1.0))
    spots = scipy.ndimage.gaussian_filter(np.asarray(jax.random.normal(start_key, domain.shape)), 1.5)
    begin = np.where(domain.inside, 0.08 + 0.01 * spots / spots.std(), 0)
    times = np.concatenate([[0.0], np.linspace(FROM, TO, FRAMES) - 0.08])
    clean = ox.simulate(truth, begin, times, domain)[1:]
    return truth, clean.replace(frames=ox.noise.Gaussian(SIGMA).sample(clean.frames, key=noise_key))


def main(folder: str | Path, path: str = "lfp_rates.png"):
    """Simulate on the outline, fit rate field and kinetics, draw what was put in and what was found."""
    domain = outline(Path(folder))
    truth, movie = recorded(domain, jax.random.key(0))
    unknown = equation(
        laws.positive(2.0, factor=2) * laws.Exp(laws.Legendre(1, 0.4)),
        laws.Unknown(2.0, 0.5),
        ox.RateField(domain, MODES, 0.5),
    )
    problem = ox.Problem(movie, None, ox.noise.Gaussian(SIGMA))
    best = ox.fit(unknown, problem)
    posterior = ox.laplace(best, problem, key=jax.random.key(1), draws=1000)
    found, exact = (np.log(np.asarray(e.rate_field())) for e in (best.equation, truth))
    spread = np.log(np.asarray(posterior(lambda e: e.rate_field()))).std(0)
    bands = np.asarray(posterior.band(kinetics))

    inside = domain.inside
    correlation = float(np.corrcoef(found[inside], exact[inside])[0, 1])
    print(f"{inside.sum()} pixels, χ² {float(best.chi2):.3f}, {best.result}; {ox.explained(best, problem)}")
    left, put = (found - exact)[inside].std(), exact[inside].std()
    print(f"log k: correlation {correlation:.3f}, error {left:.3f} of {put:.3f}")
    for name, (low, middle, high), true in zip(KINETICS, bands.T, np.asarray(kinetics(truth))):
        print(f"{name}: {middle:.3f} ({low:.3f} to {high:.3f}), put in {true:.3f}")

    figure, axes = plt.subplots(1, 5, figsize=(12, 3.4), layout="constrained")
    masked = [np.where(inside, values, np.nan) for values in (movie.frames[5], movie.frames[18], exact, found, spread)]
    titles = ("c, frame 5", "c, frame 18", "log k put in", "log k found", "its standard deviation")
    limits = ((0, 1), (0, 1), *((-1.2, 1.2),) * 2, (0, None))
    for axis, values, title, (low, high) in zip(axes, masked, titles, limits):
        colours = "viridis" if low == 0 else "RdBu_r"
        figure.colorbar(axis.imshow(values, cmap=colours, vmin=low, vmax=high), ax=axis, shrink=0.7)
        axis.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return correlation, bands, np.asarray(kinetics(truth)), best


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(*sys.argv[1:])
