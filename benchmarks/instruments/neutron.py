"""Neutrons: a recorded wedge of water, and a simulated electrode from counts to its diffusivity."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means

import operax as ox
from operax import load, noise, synth
from operax import modalities as md
from operax.denoise import Cosines, LowRank, train
from operax.modalities import neutron
from operax.movie import Movie

# Experiments behind the row of differential images, and behind that of D(c).
CELLS, DRAWS = 6, 8
# Frames before the charge, which are the reference: a single frame at the very end of a movie is one that denoisers
# carry the next ones into. The front is where the lithium fraction has risen by so much.
REST, FRONT = 8, 0.2
# minutes, and frames
LENGTHS = (32, 60, 90)
# Frames of the open beam and of the dark: their noise is in every frame, and no band knows of it.
REFERENCES = 100
# Optical depth of housing and host, lithium fraction before the charge, first frame at which it has well begun.
HOUSING, BEGIN, BEGUN = 0.5, 0.05, 4


def robust(values) -> float:
    """Standard deviation of the normal core."""
    x = np.asarray(values, float).ravel()
    return float(1.4826 * np.median(np.abs(x - np.median(x))))


def noise_of(found, second, third, boxes) -> float:
    """Standard deviation of the noise of a picture, from three pictures whose noise is independent.

    Half of Var(a − b) + Var(a − c) − Var(b − c): the noise of the two others drops out, whatever it is.
    """
    pairs = ((found, second), (found, third), (second, third))
    first, other, between = (np.mean([robust((a - b)[box]) ** 2 for box in boxes]) for a, b in pairs)
    return float(np.sqrt(max((first + other - between) / 2, 0)))


def wedge(data: Path, steps: int, key) -> dict:
    """The recorded water wedge: 5 s against 20 s and 120 s, noise, steps and edges."""
    folder = data / "neutron_stepwedge_psi"
    how = {"times": 1.0, "spacing": 0.04399, "units": ("mm", "frame", "counts")}
    part = (slice(60, 700), slice(620, 1300))
    taken = {
        (e, kind): neutron.remove_spots(load(folder, dataset=f"exp{e}s_{kind}.tif", **how).crop(*part))
        for e in (5, 20, 120)
        for kind in ("h2o", "ob", "dc")
    }
    empty = np.zeros(taken[5, "h2o"].domain.shape, bool)
    empty[240:640, 20:180] = True
    steps_at = [(110, 195), (215, 315), (325, 420), (445, 540), (555, 640)]
    boxes = [(slice(a - 55, b - 65), slice(370, 610)) for a, b in steps_at]

    def through(exposure, change=None):
        pictures = [taken[exposure, kind] for kind in ("h2o", "ob", "dc")]
        if change is not None:
            read = Cosines(noise.Gaussian(robust(pictures[2].frames)))
            pictures = [change(pictures[0]), change(pictures[1]), read(pictures[2])]
        return np.asarray(neutron.transmission(*pictures, empty=empty).frames[0], float)

    # what is known of the noise: three open beams, brought to one level
    level, dark = np.median(taken[5, "dc"].frames), {e: np.median(taken[e, "dc"].frames) for e in (5, 20, 120)}
    beams = {e: np.asarray(taken[e, "ob"].frames[0]) - dark[e] for e in dark}
    flat = np.stack([beams[e] * beams[5].mean() / beams[e].mean() for e in (20, 5, 120)])
    grain = noise.autocorrelation(Movie(flat, np.arange(3.0), taken[5, "ob"].domain))
    shape = gaussian_filter(beams[5], 20) / gaussian_filter(beams[20], 20)
    gain = robust(beams[5] - shape * beams[20]) ** 2 / (beams[5].mean() + (shape**2 * beams[20]).mean())
    ours, ours_long = (
        Cosines(noise.PoissonGaussian(gain, dark[e], robust(taken[e, "dc"].frames)), grain) for e in (5, 120)
    )

    def means(strength):
        def smooth(movie):
            # roots of counts have one variance; a neutron is about two grey values
            root = np.sqrt(np.maximum(np.asarray(movie.frames[0], float) - level, 0) + 1)
            spread = robust(root - gaussian_filter(root, 3))
            root = denoise_nl_means(root, patch_size=7, patch_distance=13, h=strength * spread, fast_mode=True)
            return movie.replace(frames=(root**2 - 1 + level)[None])

        return smooth

    def edges(picture):
        rows_at = [np.arange(low - 100, high - 20) for low, high in ((195, 215), (315, 325), (420, 445), (540, 555))]
        return [md.edge(picture[rows, 370:610].mean(1), rows) for rows in rows_at]

    def blurred(movie):
        return movie.replace(frames=gaussian_filter(np.asarray(movie.frames[0]), 2.0)[None])

    raw, middle, long = (through(e) for e in (5, 20, 120))
    clear = through(120, ours_long)
    own, before, sharp = noise_of(raw, middle, long, boxes), edges(raw), edges(long)
    rows = {}
    for name, way in (
        ("raw", None),
        ("Cosines", ours),
        ("Gaussian 2 px", blurred),
        ("NLM 0.8", means(0.8)),
        ("NLM 1.4", means(1.4)),
    ):
        found = through(5, way)
        bias = [np.log(found[b].mean()) / np.log(long[b].mean()) - 1 for b in boxes]
        plain = [robust((found - long)[b]) / robust((raw - long)[b]) for b in boxes]
        cleared = [robust((found - clear)[b]) / robust((raw - clear)[b]) for b in boxes]
        fitted = edges(found)
        rows[name] = {
            "noise cut": 1 - noise_of(found, middle, long, boxes) / own,
            "cut of the difference to 120 s": 1 - float(np.median(plain)),
            "cut of the difference to 120 s cleaned": 1 - float(np.median(cleared)),
            "largest step bias": float(np.abs(bias).max()),
            "blur by denoising [px]": float(max(a.width - b.width for a, b in zip(fitted, before))),
            "width over 120 s [px]": float(max(a.width - b.width for a, b in zip(fitted, sharp))),
            "edge shift [px]": float(max(abs(a.position - b.position) for a, b in zip(fitted, sharp))),
        }
    return {"noise of 5 s": own, "noise of 120 s": noise_of(long, middle, raw, boxes), "rows": rows}


def cell(data: Path, steps: int, key) -> dict:
    """Simulated electrode: differential images before and after denoising the counts, over several experiments."""
    found: dict[str, list] = {}
    for draw in jax.random.split(key, CELLS):
        making, training = jax.random.split(draw)
        truth = synth.neutron_cell(key=making, rest=REST)
        clean = np.asarray(truth.fraction.frames - truth.fraction.frames[0])[REST:]
        sample = neutron.remove_spots(truth.sample, truth.noise)
        for name, movie in (
            ("raw", sample),
            ("LowRank()", LowRank(None, truth.noise)(sample)),
            ("train", train(sample, truth.noise, key=training, steps=steps)(sample)),
        ):
            passed = neutron.transmission(movie.replace(variance=None), truth.open_beam, truth.dark)
            moved = neutron.change(neutron.optical_depth(passed), slice(0, REST))[REST:]
            change = np.asarray(moved.frames) / truth.lithium
            error = (change - clean)[BEGUN:, 3:-3]
            shift = (_fronts(change, clean) - _fronts(clean, clean)).mean()
            found.setdefault(name, []).append((np.sqrt((error**2).mean()), error.mean(), shift))
    raw = np.mean(found["raw"], 0)[0]
    rows = {}
    for name, each in found.items():
        rmse, bias, shift = (np.array(values) for values in zip(*each))
        rows[name] = {
            "rmse of change": float(rmse.mean()),
            "bias": float(bias.mean()),
            "front error [px]": float(shift.mean()),
            "standard error of that": float(shift.std(ddof=1) / CELLS**0.5),
            "noise cut": float(1 - rmse.mean() / raw),
        }
    return {"experiments": CELLS, "rows": rows}


def _fronts(pictures: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Row at which the change, mean over columns, falls through `FRONT`, in frames where it truly does."""
    found = []
    for profile, true in zip(pictures.mean(2), clean.mean(2)):
        if true[2] > FRONT > true[-3]:
            below = int(np.argmax(profile < FRONT))
            part = (profile[below - 1] - FRONT) / (profile[below - 1] - profile[below]) if below else 1.0
            found.append(below - 1 + part)
    return np.array(found)


def smooth(references: Movie, level: noise.PoissonGaussian) -> Movie:
    """The mean of reference frames, cleaned."""
    count = len(references)
    mean = Movie(references.frames.mean(0)[None], [0.0], references.domain)
    return Cosines(noise.PoissonGaussian(level.gain / count, level.offset, level.read_std / count**0.5))(mean)


def profiles(truth: synth.Radiographs, open_beam: Movie, dark: Movie) -> Movie:
    """Lithium fraction through the thickness, from counts and references."""
    counts = neutron.remove_spots(truth.sample, truth.noise)
    passed = neutron.transmission(counts, open_beam, dark, noise=truth.noise)
    depth = neutron.optical_depth(passed.mean("column"))
    frames, variance = (depth.frames - HOUSING) / truth.lithium, depth.variance / truth.lithium**2
    return depth.replace(frames=frames, variance=variance, domain=truth.profile.domain)


def even(seen: Movie) -> Movie:
    """The movie with its first frame as it is known to have been."""
    return seen.replace(frames=seen.frames.at[0].set(BEGIN))


def cell_law(data: Path, steps: int, key) -> dict:
    """Simulated electrode: D(c) from windows that start at noisy frames, and from all frames jointly with one start.

    Frames are a minute apart, and the same charge takes half an hour, one or one and a half.
    """
    rows = {f"{name}; {frames} min": row for frames in LENGTHS for name, row in _laws(frames, key).items()}
    return {"draws": DRAWS, "rows": rows}


def _laws(frames: int, key) -> dict:
    c = jnp.linspace(BEGIN, 0.65, 25)
    diffusivity = ox.laws.Exp(ox.laws.Unknown(np.log(1e-4), 1.0) + ox.laws.Legendre(2))
    found: dict[str, list] = {}
    for draw in jax.random.split(key, DRAWS):
        truth = synth.neutron_cell(key=draw, frames=frames, references=REFERENCES)
        line = truth.profile.domain
        observe = ox.Blur(line, truth.blur * line.spacing[0])
        seen = profiles(truth, truth.open_beam, truth.dark)
        clear = profiles(truth, *(smooth(movie, truth.noise) for movie in (truth.open_beam, truth.dark)))
        problems = {
            "frame to frame": ox.Problem(seen, observe=observe, window=2, start=ox.Given()),
            "four frames to a start": ox.Problem(seen, observe=observe, window=4, start=ox.Given()),
            "one start, inferred": ox.Problem(seen[BEGUN:], observe=observe),
            "one start, known": ox.Problem(seen, even(seen), observe=observe, start=ox.Given()),
            "the same, open beam denoised": ox.Problem(clear, even(clear), observe=observe, start=ox.Given()),
        }
        for name, problem in problems.items():
            best = ox.fit(ox.Diffusion(diffusivity, ends=truth.equation.ends), problem)
            draws = np.log(np.asarray(ox.laplace(best, problem, key=jax.random.key(1))(lambda e: e.diffusivity(c))))
            error = draws.mean(0) - np.log(truth.equation.diffusivity(c))
            found.setdefault(name, []).append((error, draws.std(0)))
    rows = {}
    for name, pairs in found.items():
        error, std = (np.stack(part) for part in zip(*pairs))
        rows[name] = {
            "rms error of ln D": float(np.sqrt((error**2).mean())),
            "spread over draws": float(np.sqrt(error.var(0, ddof=1).mean())),
            "stated standard deviation": float(np.sqrt((std**2).mean())),
            "rms of z": float(np.sqrt(((error / std) ** 2).mean())),
            "inside 95 %": float((np.abs(error) < 1.96 * std).mean()),
        }
    return rows
