"""STXM: a recorded energy stack, and simulated LiFePO4 from counts at two energies to its laws."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import operax as ox
from operax import laws, load, metrics, noise, synth
from operax import modalities as md
from operax.denoise import BlindSpot, Cosines, LowRank, train
from operax.modalities import stxm
from operax.movie import Movie


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

    rows = {"raw": judged(raw)}
    for name, method in (("LowRank()", LowRank(None, model)), ("Cosines", Cosines(model, grain))):
        rows[name] = judged(method(raw))
    plain, chosen = (train(raw, model, key=key, network=n, steps=steps) for n in (BlindSpot(), None))
    rows["blind to the pixel"] = judged(plain.blind(raw))
    rows["blind as chosen"] = judged(chosen.blind(raw))
    rows["train"] = judged(chosen(raw))
    for name in ("noise of one picture", "noise of the maps"):
        for row in rows.values():
            row[f"{name}, cut"] = rows["raw"][name] / row[name]
    return {
        "noise's own row correlation": own,
        "choice": chosen.choice,
        "reasons of the plain one": "; ".join(plain.reasons),
        "reasons": "; ".join(chosen.reasons),
        "rows": rows,
    }


def boundary(found, clean, inside) -> tuple[float, float]:
    """Mean and root-mean-square displacement of the phase boundary c = ½, pixels."""
    shifts = []
    for a, b in zip(np.asarray(found), np.asarray(clean)):
        slope = np.hypot(*np.gradient(b))
        near = inside & (np.abs(b - 0.5) < 0.15) & (slope > 0.05)
        shifts.append(((a - b) / slope)[near])
    shift = np.concatenate(shifts)
    return float(shift.mean()), float(np.sqrt((shift**2).mean()))


def fraction(scans: synth.Scans, counts, *, bounded: bool = True) -> Movie:
    """Lithium fraction from counts at the two energies."""
    pair, inside = np.array(scans.energies), scans.fraction.domain.inside
    spectra = stxm.Spectra(pair, synth.iron_edge(pair), synth.IRON_PHASES)
    flux = stxm.Incident(np.full(len(scans.fraction), scans.flux), np.zeros(len(scans.fraction)))
    density = [stxm.optical_density(m.replace(variance=None), flux, noise.PoissonGaussian(1.0)) for m in counts]
    density = [d.replace(frames=d.frames - scans.before * jnp.asarray(inside)) for d in density]
    found = stxm.two_energies(*density, spectra, scans.energies, bounded=bounded)
    return stxm.lithium_fraction(found, inside=inside)


def lfp(data: Path, steps: int, key) -> dict:
    """Simulated LiFePO4 at two energies: the lithium fraction before and after denoising the counts."""
    keys = jax.random.split(key, 3)
    scans, model = synth.lfp_insertion(key=keys[0]), noise.PoissonGaussian(1.0)
    inside, clean = scans.fraction.domain.inside, scans.fraction.frames
    rows = {}
    for name, movies in (
        ("raw", scans.counts),
        ("LowRank()", [LowRank(None, model)(m) for m in scans.counts]),
        ("train", [train(m, model, key=k, steps=steps)(m) for m, k in zip(scans.counts, keys[1:])]),
    ):
        c = fraction(scans, movies).frames
        shift, spread = boundary(c, clean, inside)
        rows[name] = {
            "rmse of c": float(metrics.rmse(c, clean, inside)),
            "boundary bias [px]": shift,
            "boundary rms [px]": spread,
        }
    for row in rows.values():
        row["cut"] = rows["raw"]["rmse of c"] / row["rmse of c"]
    return {"rows": rows}


def lfp_laws(data: Path, steps: int, key) -> dict:
    """Simulated LiFePO4 at two energies: kinetics, potential and k(x) from the raw lithium fraction, with bands."""
    with jax.enable_x64(True):
        return _lfp_laws(key)


def _lfp_laws(key) -> dict:
    scans = synth.lfp_insertion(key=key)
    seen = fraction(scans, scans.counts, bounded=False)
    domain, inside = seen.domain, seen.domain.inside
    model = ox.Correlated(noise.Gaussian(jnp.sqrt(seen.variance.mean(0))), noise.autocorrelation(seen))
    # Particles are even before the current is switched on; what is left of roughness is not in the bands.
    even = seen.frames.at[0].set(jnp.where(jnp.asarray(inside), synth.LFP_START, 0.0))
    problem = ox.Problem(seen, seen.replace(frames=even), model, start=ox.Given())
    equation = ox.Intercalation(
        ox.kinetics.ButlerVolmer(laws.Exp(laws.Unknown(np.log(1.5), 1.0) + laws.Legendre(2, 0.7))),
        laws.RegularSolution(laws.Unknown(2.2, 0.5)),
        laws.positive(0.01, factor=2),
        ox.Current(0.7),
        rate_field=ox.RateField(domain, 16, 0.35),
    )
    best = ox.fit(equation, problem)
    posterior = ox.laplace(best, problem, key=jax.random.key(1), draws=1000)
    at, middle = jnp.array([0.2, 0.35, 0.5, 0.65, 0.8]), jnp.array(0.5)

    def asked(e):
        return jnp.append(e.kinetics.j0(at), jnp.array([e.potential.omega(middle), e.kappa(middle)]))

    names = (*(f"j0({c:g})" for c in np.asarray(at)), "omega", "kappa")
    rows = {
        name: {"put in": float(true), "low": float(low), "found": float(mid), "high": float(high)}
        for name, true, (low, mid, high) in zip(names, asked(scans.equation), np.asarray(posterior.band(asked)).T)
    }
    for row in rows.values():
        row["inside"] = float(row["low"] <= row["put in"] <= row["high"])
    log_k = np.log(np.asarray(posterior(lambda e: e.rate_field())))[:, inside]
    true = np.log(np.asarray(scans.rate))[inside]
    true, (low, high) = true - true.mean(), np.quantile(log_k, (0.025, 0.975), 0)
    rows["log k(x)"] = {
        "correlation": float(np.corrcoef(log_k.mean(0), true)[0, 1]),
        "rms error": float((log_k.mean(0) - true).std()),
        "rms put in": float(true.std()),
        "pixels inside": float(((low <= true) & (true <= high)).mean()),
        "rms of z": float(np.sqrt((((log_k.mean(0) - true) / log_k.std(0)) ** 2).mean())),
    }
    return {"chi2": float(best.chi2), "residual": str(ox.explained(best, problem)), "rows": rows}
