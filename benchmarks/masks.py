"""Particle masks: error against a four times finer grid, beside a smoothed boundary of equal pixels, and isotropy.

Run ``python benchmarks/masks.py [--across 48 64] [--quick]``. Three outlines (a disc, a tilted ellipse, and that of
a real LiFePO4 platelet where its recording is found) carry diffusion and phase separation; all runs take the same
steps of SBDF2. The smoothed boundary solves ψ ∂c/∂t = ∇·(ψ M ∇μ), μ = μ_h − (κ/ψ) ∇·(ψ ∇c), with d the distance to
the mask's rim, ψ = ½ (1 − tanh(d/ξ)) and ξ in pixels. The second table follows the first radial mode of a disc, whose
answer is known: error, and what of it varies around the rings. Results go to results/masks.json.
"""

import argparse
import itertools
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.io
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
import scipy.special
import timing

import operax as ox
from operax.physics.plan import StepPlan, trajectory
from operax.physics.transforms import ConjugateGradients

PACKAGES = ("operax", "jax", "jaxlib", "numpy", "scipy")
RECORDING = "real/lfp_particle_xray_4dstem/LFP50_P2.mat"
FINER = 4
MARGIN = 3  # pixels around the particle
# ξ of the smoothed boundary. Published codes make ψ by Allen–Cahn smoothing with ε of three pixels: ξ = 2ε/3 = 2.
WIDTHS = (0.5, 1.0, 1.5, 2.0)
USUAL = 2.0
FLOOR = 1e-3  # of ψ
KAPPA, OMEGA = 4e-3, 3.0
DIFFUSION = {"equation": ox.Diffusion(1.0), "time": 0.02, "steps": 40, "damping": (1.04, 0.0)}
PHASES = {
    "equation": ox.CahnHilliard(ox.laws.Degenerate(1.0), ox.laws.RegularSolution(OMEGA), KAPPA),
    "time": 0.06,
    "steps": 240,
    "damping": (0.78, 0.78 * 0.25 * KAPPA),
}
RUNS = {"diffusion": DIFFUSION, "phase separation": PHASES}


def disc(x, y):
    return np.hypot(x - 0.5, y - 0.5) - 0.5


def ellipse(x, y):
    along, across = (x - 0.5) * np.cos(0.4) + (y - 0.5) * np.sin(0.4), (y - 0.5) * np.cos(0.4) - (x - 0.5) * np.sin(0.4)
    return np.hypot(along / 0.5, across / 0.3) - 1


def platelet(data: Path):
    """The outline of the recording, its thickness above 0.1 as its authors take it, smoothed over two pixels."""
    maps = scipy.io.loadmat(data / RECORDING)
    thickness = scipy.ndimage.gaussian_filter(maps["FP"] + maps["LFP"], 2.0) - 0.1
    rows, columns = np.nonzero(thickness > 0)
    size = max(np.ptp(rows), np.ptp(columns)) + 1.0
    start = rows.min() - (size - np.ptp(rows) - 1) / 2, columns.min() - (size - np.ptp(columns) - 1) / 2

    def level(x, y):
        place = np.stack([start[0] - 0.5 + x * size, start[1] - 0.5 + y * size])
        return -scipy.ndimage.map_coordinates(thickness, place, order=1, mode="nearest")

    return level


def rasterised(level, across: int, finer: int = 1):
    """The domain of an outline that fills the unit square, and its pixel centres."""
    n = (across + 2 * MARGIN) * finer
    h = 1 / (across * finer)
    x, y = np.meshgrid(*[(np.arange(n) + 0.5) * h - MARGIN / across] * 2, indexing="ij")
    return ox.Domain((n, n), h, inside=level(x, y) < 0), x, y


def start(x, y):
    waves = np.cos(7 * x + 2 * y) + np.cos(3 * x - 6 * y + 1) + np.cos(5 * y + 4 * x + 2)
    return 0.5 + 0.1 * waves


def sharp(run, domain, c0) -> np.ndarray:
    plan = StepPlan((1,), run["steps"], jnp.array(run["damping"]), ox.steppers.SBDF2())
    times = jnp.array([0.0, run["time"]])
    c0 = jnp.asarray(np.where(domain.inside, c0, 0.0))
    return np.asarray(eqx.filter_jit(trajectory)(run["equation"], ConjugateGradients(domain), plan, c0, times)[-1])


def smoothed(run, domain, c0, width) -> np.ndarray:
    """The same run with a smoothed boundary on the whole rectangle, by sparse direct solves."""
    outside = scipy.ndimage.distance_transform_edt(~domain.inside) - scipy.ndimage.distance_transform_edt(domain.inside)
    psi = np.maximum(0.5 * (1 - np.tanh((outside - 0.5 * np.sign(outside)) / width)), FLOOR).ravel()
    n, h = domain.shape[0], domain.spacing[0]
    difference = scipy.sparse.diags_array([-1.0, 1.0], offsets=[0, 1], shape=(n - 1, n)) / h
    one = scipy.sparse.eye_array(n)
    G = scipy.sparse.vstack([scipy.sparse.kron(difference, one), scipy.sparse.kron(one, difference)]).tocsr()
    mean = abs(G) * (h / 2)
    stiff = (G.T @ scipy.sparse.diags_array(mean @ psi) @ G).tocsc()
    W, inverse = scipy.sparse.diags_array(psi), scipy.sparse.diags_array(1 / psi)
    A2, A4 = run["damping"]
    linear = A2 * stiff + A4 * stiff @ inverse @ stiff
    equation, dt = run["equation"], run["time"] / run["steps"]
    laws = jax.jit(lambda c: (equation.mobility(c), equation.potential(c))) if A4 else lambda c: (np.ones_like(c), c)
    kappa = KAPPA if A4 else 0.0

    def explicit(c):
        M, homogeneous = map(np.asarray, laws(c))
        mu = homogeneous + kappa * (stiff @ c) / psi
        return linear @ c - G.T @ ((mean @ psi) * (mean @ M) * (G @ mu))

    c = start_state = c0.ravel()
    first = scipy.sparse.linalg.splu((W + dt / 16 * linear).tocsc())  # small steps to the second state
    for _ in range(16):
        c = first.solve(psi * c + dt / 16 * explicit(c))
    before, old = start_state, explicit(start_state)
    step = scipy.sparse.linalg.splu((1.5 * W + dt * linear).tocsc())
    for _ in range(run["steps"] - 1):
        now = explicit(c)
        before, c, old = c, step.solve(psi * (2 * c - 0.5 * before) + dt * (2 * now - old)), now
    return c.reshape(domain.shape)


def averaged(fine_domain, c) -> np.ndarray:
    """The mean over the inside of each coarse pixel."""
    shape = (fine_domain.shape[0] // FINER, FINER) * 2
    inside = fine_domain.inside.reshape(shape).sum((1, 3))
    return np.where(fine_domain.inside, c, 0).reshape(shape).sum((1, 3)) / np.maximum(inside, 1)


def outlined(name, level, kind, across) -> dict:
    run, begin = RUNS[kind], time.perf_counter()
    domain, x, y = rasterised(level, across)
    fine_domain, *fine = rasterised(level, across, FINER)
    fine_start = start(*fine)
    truth = averaged(fine_domain, sharp(run, fine_domain, fine_start))
    compared = domain.inside & (truth != 0)
    c0 = np.where(compared, averaged(fine_domain, fine_start), start(x, y))
    change = np.sqrt(np.mean((truth - c0)[compared] ** 2))

    def error(c):
        return float(np.sqrt(np.mean((c - truth)[compared] ** 2)) / change)

    ours = sharp(run, domain, c0)
    mass = abs(ours.sum() / c0[domain.inside].sum() - 1)
    smooth = {str(width): error(smoothed(run, domain, c0, width)) for width in WIDTHS}
    return {
        "outline": name, "run": kind, "across": across, "pixels": int(domain.inside.sum()), "error": error(ours),
        "mass": float(mass), "smoothed": smooth, "ratio": error(ours) / smooth[str(USUAL)],
        "seconds": time.perf_counter() - begin,
    }  # fmt: skip


def radial(across: int) -> dict:
    """The first radial mode of a disc, ½ + 0.3 J₀(kr) exp(−k² t) with J₀′(k/2) = 0, until it has fallen to a third."""
    domain, x, y = rasterised(disc, across)
    k = 2 * scipy.special.jn_zeros(1, 1)[0]
    r, angle = np.hypot(x - 0.5, y - 0.5), np.arctan2(y - 0.5, x - 0.5)
    mode, last = 0.3 * scipy.special.j0(k * r), np.log(3) / k**2
    c = sharp({**DIFFUSION, "time": last}, domain, 0.5 + mode)
    error = ((c - 0.5 - mode / 3) / (0.1 * np.abs(scipy.special.j0(k * np.array([0.0, 0.5]))).max()))[domain.inside]
    ring = (r[domain.inside] * across / 2).astype(int)  # two pixels wide
    count = np.bincount(ring)
    around = error - (np.bincount(ring, error) / count)[ring]
    fourfold = np.abs(np.bincount(ring, np.cos(4 * angle[domain.inside]) * error) / count * 2)
    return {
        "across": across,
        "error": float(np.sqrt(np.mean(error**2))),
        "around": float(np.sqrt(np.mean(around**2))),
        "fourfold": float(np.sqrt(np.mean(fourfold[1:] ** 2))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--across", type=int, nargs="+", default=[48, 64])
    parser.add_argument("--quick", action="store_true", help="the disc and diffusion alone, 24 pixels across")
    parser.add_argument("--out", type=Path, help="where the figures go instead of results/masks.json")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    outlines = {"disc": disc} if chosen.quick else {"disc": disc, "ellipse": ellipse}
    if not chosen.quick and (chosen.data / RECORDING).exists():
        outlines["platelet"] = platelet(chosen.data)
    elif not chosen.quick:
        print(f"no recording at {RECORDING} under --data: the platelet is left out")
    across, kinds, sizes = (
        ([24], ["diffusion"], (16, 32)) if chosen.quick else (chosen.across, list(RUNS), (32, 64, 128))
    )
    rows = []
    print(
        f"{'outline':>9} {'run':>17} {'pixels':>6} {'mask':>8} "
        + " ".join(f"{'ξ=' + str(w):>8}" for w in WIDTHS)
        + f" over {USUAL}"
    )
    for size, (name, level) in itertools.product(across, outlines.items()):
        for kind in kinds:
            row = outlined(name, level, kind, size)
            rows.append(row)
            smooth = " ".join(f"{e:8.5f}" for e in row["smoothed"].values())
            figures = f"{row['pixels']:>6} {row['error']:8.5f} {smooth} {row['ratio']:8.2f}"
            print(f"{name:>9} {kind:>17} {figures}", flush=True)
    print(f"\n{'across':>6} {'error':>9} {'around':>9} {'four-fold':>9}")
    rings = []
    for size in sizes:
        ring = radial(size)
        rings.append(ring)
        print(f"{size:>6} {ring['error']:9.6f} {ring['around']:9.6f} {ring['fourfold']:9.6f}", flush=True)
    record = {
        "settings": {"across": across, "quick": chosen.quick, "finer": FINER},
        "outlines": rows,
        "radial": rings,
    }
    timing.save(chosen.out or timing.RESULTS / "masks.json", record, PACKAGES)


if __name__ == "__main__":
    main()
