"""Three instruments, before and after denoising: simulated movies with known truth and recorded files.

Run ``python benchmarks/modalities.py [--only graphite stxm lfp wedge cell ink] [--data FOLDER] [--steps 300]``.
Recorded files are looked for in FOLDER, by default ../shared/data/real beside the repository; sections without them
are left out. Prints one table and updates results/modalities.json beside this script, section by section, with
versions and machine.
"""

import argparse
import json
import time
from pathlib import Path

import imageio.v3 as imageio
import jax
import jax.numpy as jnp
import numpy as np
import timing
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means

from operax import load, metrics, noise, synth
from operax import modalities as md
from operax.denoise import LowRank, train
from operax.domain import Domain
from operax.io import replacing
from operax.modalities import neutron, optical, stxm
from operax.movie import Movie

PACKAGES = ("operax", "jax", "jaxlib", "flax", "numpy", "scipy", "scikit-image", "scikit-learn")
HERE = Path(__file__).resolve().parent


def robust(values) -> float:
    """Standard deviation of the normal core."""
    x = np.asarray(values, float).ravel()
    return float(1.4826 * np.median(np.abs(x - np.median(x))))


def along_rows(residual, inside) -> float:
    """Correlation of neighbours in a row, frame means taken off."""
    r = np.asarray(residual, float)
    r = np.where(inside, r - r[:, inside].mean(1)[:, None, None], 0)
    pairs = (inside[:, 1:] & inside[:, :-1]).sum() * len(r)
    return float((r[..., 1:] * r[..., :-1]).sum() / pairs / ((r**2).sum() / inside.sum() / len(r)))


def stxm_stack(data: Path, steps: int, key) -> dict:
    """The recorded Fe L stack: what a denoiser along energy does to row-correlated noise and to the density."""
    folder = data / "stxm_fe_l23_als"
    raw = load(folder / "71214078_raw.zip")
    model = noise.estimate(raw)
    flux = stxm.incident(raw, stxm.empty_pixels(raw))
    spectra = stxm.read_spectra({"reduced": folder / "reduced.t", "oxidized": folder / "oxidized.t"})
    grain = noise.autocorrelation(raw)
    own = float(np.asarray(grain.space)[3, 4])
    before = stxm.optical_density(raw, flux, model)
    particle = md.particle_mask(np.asarray(before.frames).mean(0))
    empty = stxm.empty_pixels(raw)
    energies = np.asarray(raw.times)
    edge, peak = energies < 704, int(np.argmin(np.abs(energies - 709.9)))
    # a linear map without constraint, so that noise about zero is not cut off
    design = np.concatenate([spectra.at(energies).values, np.ones((1, len(energies)))])
    solve = np.linalg.pinv(design.T)

    def judged(movie: Movie) -> dict:
        density = stxm.optical_density(movie.replace(variance=None), flux)
        od, first = np.asarray(density.frames, float), np.asarray(before.frames, float)
        maps = np.tensordot(solve, od, 1)[:2]
        residual = np.asarray(raw.frames - movie.frames)
        return {
            "noise of one picture": float(np.std(np.diff(od[peak], axis=0)[empty[1:] & empty[:-1]]) / np.sqrt(2)),
            "noise of the maps": float(np.mean([robust(m[empty]) for m in maps])),
            "pre-edge bias": float(od[edge][:, particle].mean() / first[edge][:, particle].mean() - 1),
            "peak bias": float(od[peak, particle].mean() / first[peak, particle].mean() - 1),
            "excess row correlation": along_rows(residual, raw.domain.inside) - own if residual.any() else 0.0,
        }

    rows = {"raw": judged(raw), "LowRank()": judged(LowRank(None, model)(raw))}
    denoiser = train(raw, model, key=key, steps=steps)
    rows[f"train, {type(denoiser.network).__name__}"] = judged(denoiser(raw))
    return {"noise's own row correlation": own, "verdict": "; ".join(denoiser.reasons), "rows": rows}


def boundary(found, clean, inside) -> tuple[float, float]:
    """Mean and root-mean-square displacement of the phase boundary c = ½, pixels."""
    shifts = []
    for a, b in zip(np.asarray(found), np.asarray(clean)):
        slope = np.hypot(*np.gradient(b))
        near = inside & (np.abs(b - 0.5) < 0.15) & (slope > 0.05)
        shifts.append(((a - b) / slope)[near])
    shift = np.concatenate(shifts)
    return float(shift.mean()), float(np.sqrt((shift**2).mean()))


def lfp(data: Path, steps: int, key) -> dict:
    """Simulated LiFePO4 at two energies: the lithium fraction before and after denoising the counts."""
    keys = jax.random.split(key, 3)
    scans = synth.lfp_insertion(key=keys[0])
    inside, clean = scans.fraction.domain.inside, scans.fraction.frames
    pair = np.array(scans.energies)
    spectra = stxm.Spectra(pair, synth.iron_edge(pair), synth.IRON_PHASES)
    flux = stxm.Incident(np.full(len(clean), scans.flux), np.zeros(len(clean)))
    model = noise.PoissonGaussian(1.0)

    def fraction(movies) -> np.ndarray:
        density = [stxm.optical_density(m.replace(variance=None), flux, model) for m in movies]
        density = [d.replace(frames=d.frames - scans.before * jnp.asarray(inside)) for d in density]
        return np.asarray(
            stxm.lithium_fraction(stxm.two_energies(*density, spectra, scans.energies), inside=inside).frames
        )

    rows = {}
    for name, movies in (
        ("raw", scans.counts),
        ("LowRank()", [LowRank(None, model)(m) for m in scans.counts]),
        ("train", [train(m, model, key=k, steps=steps)(m) for m, k in zip(scans.counts, keys[1:])]),
    ):
        c = fraction(movies)
        shift, spread = boundary(c, clean, inside)
        rows[name] = {
            "rmse of c": float(metrics.rmse(jnp.asarray(c), clean, inside)),
            "boundary bias [px]": shift,
            "boundary rms [px]": spread,
        }
    return {"rows": rows}


def wedge(data: Path, steps: int, key) -> dict:
    """The recorded water wedge: 5 s against 120 s, noise, steps and edges."""
    folder = data / "neutron_stepwedge_psi"
    how = {"times": 1.0, "spacing": 0.04399, "units": ("mm", "frame", "counts")}
    names = [f"exp{e}s_{k}" for e in (5, 120) for k in ("h2o", "ob", "dc")]
    part = (slice(60, 700), slice(620, 1300))
    taken = {n: neutron.remove_spots(load(folder, dataset=f"{n}.tif", **how).crop(*part)) for n in names}
    empty = np.zeros(taken["exp5s_h2o"].domain.shape, bool)
    empty[240:640, 20:180] = True
    steps_at = [(110, 195), (215, 315), (325, 420), (445, 540), (555, 640)]
    boxes = [(slice(a - 55, b - 65), slice(370, 610)) for a, b in steps_at]

    def through(exposure, change=lambda movie: movie):
        sample, beam, dark = (taken[f"exp{exposure}s_{k}"] for k in ("h2o", "ob", "dc"))
        return np.asarray(neutron.transmission(change(sample), change(beam), dark, empty=empty).frames[0], float)

    def means(strength):
        def smooth(movie):
            frame = np.asarray(movie.frames[0], float)
            # roots of counts have one variance; the dark level is 290 grey values, a neutron about two
            root = np.sqrt(np.maximum(frame - 290, 0) + 1)
            spread = robust(root - gaussian_filter(root, 3))
            root = denoise_nl_means(root, patch_size=7, patch_distance=13, h=strength * spread, fast_mode=True)
            return movie.replace(frames=(root**2 - 1 + 290)[None])

        return smooth

    long, raw = through(120), through(5)
    first = [robust((raw - long)[box]) for box in boxes]
    rows = {}
    blur = lambda m: m.replace(frames=gaussian_filter(np.asarray(m.frames[0]), 2.0)[None])  # noqa: E731
    for name, way in (("raw", None), ("Gaussian 2 px", blur), ("NLM 0.8", means(0.8)), ("NLM 1.4", means(1.4))):
        found = raw if way is None else through(5, way)
        # the long exposure has a 24th of the short one's variance, which is in the difference too
        floor = [r / 5 for r in first]
        left = [
            np.sqrt(max(robust((found - long)[b]) ** 2 - f**2, 0)) / (r * np.sqrt(24 / 25))
            for b, f, r in zip(boxes, floor, first)
        ]
        bias = [np.log(found[b].mean()) / np.log(long[b].mean()) - 1 for b in boxes]
        widths, shifts = [], []
        for low, high in ((195, 215), (315, 325), (420, 445), (540, 555)):
            rows_at = np.arange(low - 100, high - 20)
            a, b = (md.edge(x[rows_at, 370:610].mean(1), rows_at) for x in (found, long))
            widths.append(a.width - b.width)
            shifts.append(a.position - b.position)
        rows[name] = {
            "noise cut": 1 - float(np.median(left)),
            "largest step bias": float(np.abs(bias).max()),
            "edge blur [px]": float(np.max(widths)),
            "edge shift [px]": float(np.abs(shifts).max()),
        }
    return {"rows": rows}


def cell(data: Path, steps: int, key) -> dict:
    """Simulated electrode: differential images before and after denoising the counts."""
    making, training = jax.random.split(key)
    truth = synth.neutron_cell(key=making)
    clean = np.asarray(truth.fraction.frames - truth.fraction.frames[0])
    sample = neutron.remove_spots(truth.sample, truth.noise)

    def changed(movie: Movie) -> np.ndarray:
        moved = neutron.transmission(movie.replace(variance=None), truth.open_beam, truth.dark)
        return np.asarray(neutron.change(neutron.optical_depth(moved)).frames) / truth.lithium

    def front(pictures) -> np.ndarray:
        """Row at which the change has fallen to half of its value at the separator, mean over columns."""
        found = []
        for profile in pictures[6:24].mean(2):
            level = profile[2:4].mean() / 2
            below = int(np.argmax(profile < level))
            found.append(below - 1 + (profile[below - 1] - level) / (profile[below - 1] - profile[below]))
        return np.array(found)

    rows = {}
    denoiser = train(sample, truth.noise, key=training, steps=steps)
    for name, movie in (
        ("raw", sample),
        ("LowRank()", LowRank(None, truth.noise)(sample)),
        ("train", denoiser(sample)),
    ):
        found = changed(movie)
        error = (found - clean)[4:, 3:-3]
        rows[name] = {
            "rmse of change": float(np.sqrt((error**2).mean())),
            "bias": float(error.mean()),
            "front error [px]": float((front(found) - front(clean)).mean()),
        }
    for row in rows.values():
        row["noise cut"] = 1 - row["rmse of change"] / rows["raw"]["rmse of change"]
        # the noise of the one reference frame shifts the fronts of all; what denoising adds is its own
        row["front shift by denoising [px]"] = row["front error [px]"] - rows["raw"]["front error [px]"]
    return {"rows": rows}


def ink(data: Path, steps: int, key) -> dict:
    """Recorded ink dilutions: fraction from colour, each judged by a calibration without it."""
    known, feature = [], []
    for path in sorted((data / "colour_ink_dilution").glob("*/*_ink.jpg")):
        means = []
        for name in (path, path.with_name(path.name.replace("_ink", "_reference"))):
            pixels = imageio.imread(name).reshape(-1, 3)
            pixels = pixels[np.linspace(0, len(pixels) - 1, 2000).astype(int)]
            means.append(np.asarray(optical.linear(Movie(pixels[None], [0], Domain(2000))).frames).mean((0, 1)))
        depth = -np.log(means[0] / means[1])
        digits = path.parent.name.removeprefix("dilution_")
        known.append(1 / int(digits) if digits.isdigit() else 0.0)
        feature.append(depth[2] - depth[0])
    x, y = np.array(known), np.array(feature)
    found, covered = [], []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        curve = optical.calibrate(x[others], y[others])
        low, high = curve.band(y[i])
        found.append(float(curve(y[i])))
        covered.append(bool(low <= x[i] <= high))
    typical = optical.calibrate(x, y)([y[x == v].mean() for v in np.unique(x)])
    return {
        "rows": {
            "leave one out": {
                "covered by 95 %": float(np.mean(covered)),
                "monotone": float(np.all(np.diff(typical) > 0)),
                "relative error above 1/64": float(
                    np.median(np.abs(np.array(found) / np.maximum(x, 1e-9) - 1)[x >= 1 / 64])
                ),
            }
        }
    }


def graphite(data: Path, steps: int, key) -> dict:
    """Simulated graphite in colour: particles found and phases told apart, before and after denoising."""
    making, training = jax.random.split(key)
    truth = synth.graphite_optical(key=making, size=128, sigma=0.12)
    model, there = noise.Gaussian(truth.sigma), truth.stage >= 0

    def particles(picture) -> float:
        mask = md.particle_mask(np.asarray(picture, float).mean(-1), smooth=0.7)
        return md.f_score(md.segment(mask), truth.labels)

    def yellow(contrast: Movie) -> Movie:
        """Blue to yellow in CIELAB, which rises with lithium."""
        colour = optical.lab(contrast.replace(frames=contrast.frames + 1, variance=None))
        return colour.replace(frames=colour.frames[..., 2])

    between = synth.graphite_colour(jnp.asarray(synth.GRAPHITE_LIMITS)) - 1
    limits = np.asarray(yellow(Movie(between[None], [0.0], Domain(2))).frames[0])

    rows = {}
    for name, movie in (
        ("raw", truth.noisy),
        ("train", train(truth.noisy, model, key=training, steps=steps)(truth.noisy)),
        ("without noise", truth.clean),
    ):
        feature = yellow(optical.contrast(movie, truth.white))
        found = np.asarray(optical.by_threshold(feature, limits).frames).argmax(-1)
        rows[name] = {
            "F1, mean of frames": particles(np.asarray(movie.frames).mean(0)),
            "F1, single frames": float(np.mean([particles(frame) for frame in movie.frames])),
            "phase accuracy": float((found == truth.stage)[there].mean()),
            "rmse": float(np.sqrt(np.mean((np.asarray(movie.frames) - np.asarray(truth.clean.frames)) ** 2))),
        }
    return {"rows": rows}


SECTIONS = {"graphite": graphite, "stxm": stxm_stack, "lfp": lfp, "wedge": wedge, "cell": cell, "ink": ink}
RECORDED = {"stxm": "stxm_fe_l23_als", "wedge": "neutron_stepwedge_psi", "ink": "colour_ink_dilution"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "real")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    path = timing.RESULTS / "modalities.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for name in asked.only:
        if name in RECORDED and not (asked.data / RECORDED[name]).is_dir():
            print(f"{name}: {RECORDED[name]} is not in {asked.data}; left out")
            continue
        start = time.perf_counter()
        found = SECTIONS[name](asked.data, asked.steps, jax.random.key(asked.seed))
        found |= {"steps": asked.steps, "seed": asked.seed, "seconds": time.perf_counter() - start}
        print(f"\n{name}: {SECTIONS[name].__doc__}")
        for label, row in found["rows"].items():
            print(f"  {label:24s}" + "  ".join(f"{k} {v:.4g}" for k, v in row.items()))
        print("  " + "; ".join(f"{k}: {v}" for k, v in found.items() if k != "rows" and v != ""))
        kept[name] = found | timing.circumstances(PACKAGES)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"\nwritten to {path.parent.name}/{path.name}")


if __name__ == "__main__":
    main()
