"""The public names, and the script of the main job as a user writes it."""

import inspect
import subprocess
import sys

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax.physics.transforms import transform

NAMES = [
    "Domain",
    "Movie",
    "load",
    "save",
    "info",
    "simulate",
    "integrate",
    "diagnose",
    "laws.Constant",
    "laws.Known",
    "laws.Unknown",
    "laws.positive",
    "laws.Legendre",
    "laws.Spline",
    "laws.Monotone",
    "laws.Neural",
    "laws.RedlichKister",
    "laws.derivative",
    "laws.tangents",
    "laws.draw",
    "laws.Exp",
    "laws.IdealMixing",
    "laws.RegularSolution",
    "laws.Degenerate",
    "laws.freeze",
    "constants.LFP",
    "constants.GRAPHITE",
    "constants.Quantity",
    "Scales",
    "phases.spinodal",
    "phases.binodal",
    "phases.interface_energy",
    "phases.interface_width",
    "gauge_directions",
    "Diffusion",
    "CahnHilliard",
    "AllenCahn",
    "Intercalation",
    "Current",
    "RateField",
    "ReactionDiffusion",
    "TwoLayerGraphite",
    "kinetics.ButlerVolmer",
    "kinetics.Marcus",
    "kinetics.CoupledIonElectron",
    "kinetics.SiteLimited",
    "Ends",
    "steppers.ETDRK4",
    "steppers.ETDRK2",
    "steppers.SBDF2",
    "steppers.SemiImplicitEuler",
    "steppers.Rosenbrock",
    "noise.Gaussian",
    "noise.PoissonGaussian",
    "noise.estimate",
    "noise.flats",
    "denoise.train",
    "denoise.tune",
    "denoise.choose",
    "denoise.stream",
    "denoise.save",
    "denoise.load",
    "denoise.narrate",
    "denoise.BlindSpot",
    "denoise.FrameBlind",
    "denoise.Ensemble",
    "denoise.UDVD",
    "denoise.TemporalMean",
    "denoise.LowRank",
    "denoise.Cosines",
    "denoise.assess",
    "Problem",
    "PreRoll",
    "Given",
    "LevenbergMarquardt",
    "NewtonCG",
    "LBFGS",
    "multistart",
    "Multistart",
    "explained",
    "Explained",
    "check_starts",
    "StartsChecked",
    "Progress",
    "Blur",
    "Correlated",
    "StudentT",
    "refit",
    "evidence",
    "compare",
    "Comparison",
    "identify",
    "Identified",
    "invariants",
    "profile",
    "Profile",
    "design",
    "Design",
    "Recording",
    "fit",
    "fitted",
    "laplace",
    "ensemble",
    "Randomised",
    "propagate",
    "fit_joint",
    "Joint",
    "calibrate",
    "Calibrated",
    "Bootstrap",
    "BlockBootstrap",
    "sample",
    "Posterior",
    "Fit",
    "report",
    "denoise_report",
    "cell.diffusivity",
    "cell.open_circuit",
    "plot.band",
    "plot.autocorrelation",
    "plot.balance",
    "plot.corner",
    "plot.design",
    "plot.film",
    "plot.movie",
    "plot.influence",
    "plot.ranks",
    "plot.residuals",
    "plot.rates",
    "synth.cahn_hilliard",
    "synth.lfp_stxm",
    "synth.neutron_cell",
    "synth.lfp_insertion",
    "modalities.register",
    "modalities.segment",
    "modalities.edge",
    "modalities.neutron.water_content",
    "modalities.neutron.transmission",
    "modalities.neutron.remove_spots",
    "modalities.neutron.cross_section",
    "modalities.neutron.concentration",
    "modalities.optical.contrast",
    "modalities.optical.learn",
    "modalities.optical.probabilities",
    "modalities.optical.fractions",
    "modalities.optical.calibrate",
    "modalities.stxm.optical_density",
    "modalities.stxm.components",
    "modalities.stxm.two_energies",
    "modalities.stxm.lithium_fraction",
    "metrics.psnr",
    "metrics.whiteness",
]


@pytest.mark.parametrize("name", NAMES)
def test_public_name_exists_and_is_documented(name):
    thing = ox
    for part in name.split("."):
        thing = getattr(thing, part)
    assert inspect.getdoc(thing), f"{name} has no docstring"


def test_all_that_is_public_is_listed():
    modules = {name.split(".")[0] for name in NAMES if "." in name}
    listed = {name for name in NAMES if "." not in name} | modules
    # rooms that scripts may reach into
    assert set(dir(ox)) - listed <= {"cli", "domain", "inference", "io", "movie", "physics"}
    assert set(dir(ox)) == set(ox.__all__)


def test_a_name_that_is_not_public_is_refused_as_by_any_module():
    with pytest.raises(AttributeError, match="module 'operax' has no attribute 'nonsense'"):
        _ = ox.nonsense


def test_importing_the_package_imports_nothing_heavy_and_a_room_hides_no_verb():
    code = """
import sys
import operax as ox
heavy = {"jax", "numpy", "typer", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
import operax.report
assert callable(ox.report), "the verb, not the room of its name"
from operax.report import plot
assert ox.plot is plot
assert ox.io.load is ox.load
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_signatures_that_scripts_rely_on():
    assert list(inspect.signature(ox.Domain).parameters) == ["shape", "spacing", "boundary", "inside"]
    movie = ["frames", "times", "domain", "variance", "units", "reads"]
    assert list(inspect.signature(ox.Movie).parameters)[:6] == movie
    assert list(inspect.signature(ox.simulate).parameters) == [
        "equation", "c0", "times", "domain", "dt", "rtol", "solver", "tolerance",
    ]  # fmt: skip
    assert list(inspect.signature(ox.Problem).parameters)[:3] == ["data", "states", "noise"]
    for verb in (ox.laplace, ox.sample, ox.denoise.train):
        assert inspect.signature(verb).parameters["key"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.slow
def test_the_main_job_in_a_script(tmp_path, monkeypatch):
    """The script of the README at toy size: every line a user writes is here as written."""
    monkeypatch.chdir(tmp_path)
    domain = ox.Domain((16, 16), 0.01, "periodic")
    quiet = ox.noise.Gaussian(0.02)
    times = 2e-3 * np.arange(11)
    truth = ox.synth.cahn_hilliard(domain, times, key=jax.random.key(5), noise=quiet, dt=5e-4)
    ox.save("particle.h5", truth.noisy)

    raw = ox.load("particle.h5")
    noise = ox.noise.estimate(raw)
    k1, k2 = jax.random.split(jax.random.key(0))

    denoiser = ox.denoise.train(raw, noise, key=k1)
    states = denoiser(raw)

    equation = ox.CahnHilliard(
        mobility=ox.laws.Exp(ox.laws.Unknown(-1.6, 1.0) + ox.laws.Legendre(2)),
        potential=ox.laws.RegularSolution(omega=3.0) + ox.laws.Legendre(4),
        kappa=2e-3,
    )
    problem = ox.Problem(raw, states, noise)
    best = ox.fit(equation, problem)
    posterior = ox.sample(best, problem, key=k2)

    c = jnp.linspace(0.02, 0.98, 97)
    ox.plot.band(c, posterior(lambda e: e.diffusivity(c)), label="D(c)")
    ox.report(posterior, problem, path="report.html")

    assert best.result.startswith("converged")
    assert posterior(lambda e: e.diffusivity(c)).shape == (500, 97)
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_one_compiled_gradient_runs_from_raw_pixels_through_the_network_and_the_solver():
    """One jitted derivative of a misfit: raw pixels -> Flax network -> start state -> diffrax solve -> laws."""
    domain = ox.Domain((16, 16), 0.01, "periodic")
    truth = ox.synth.cahn_hilliard(domain, 2e-3 * np.arange(11), key=jax.random.key(5), dt=5e-4)
    noise = truth.noise
    network = ox.denoise.BlindSpot(reach=2, width=4)
    denoiser = ox.denoise.train(truth.noisy, noise, key=jax.random.key(0), network=network, steps=25)
    equation = ox.CahnHilliard(ox.laws.Degenerate(ox.laws.positive(1.0, factor=3)), ox.laws.RegularSolution(3.0), 2e-3)

    damping = jnp.array([0.0, 3e-4])

    @jax.jit
    def gradient(pixels, weights, equation):
        def misfit(pixels, weights, equation):
            raw = truth.noisy.replace(frames=pixels)
            start = with_weights(weights).blind(raw).frames[2]
            times = truth.noisy.times[2:7]
            run = diffrax.diffeqsolve(
                ox.steppers.SemilinearTerm(equation, transform(domain), damping),
                ox.steppers.ETDRK4(),
                times[0],
                times[-1],
                5e-4,
                start,
                saveat=diffrax.SaveAt(ts=times[1:]),
            )
            return jnp.mean((run.ys - truth.noisy.frames[3:7]) ** 2)

        return jax.value_and_grad(misfit, argnums=(0, 1, 2))(pixels, weights, equation)

    leaves, structure = jax.tree.flatten(denoiser)

    def with_weights(weights):
        return jax.tree.unflatten(structure, weights)

    value, (by_pixel, by_weight, by_law) = gradient(truth.noisy.frames, leaves, equation)
    assert np.isfinite(float(value))
    assert float(jnp.abs(by_pixel[1:4]).max()) > 0
    assert not np.asarray(by_pixel[7:]).any(), "frames that the start has not read have no influence"
    assert max(float(jnp.abs(w).max()) for w in by_weight) > 0

    step = 1e-4
    up, down = (
        gradient(truth.noisy.frames, leaves, jax.tree.map(lambda x, s=s: x + s, equation))[0] for s in (step, -step)
    )
    (law,) = jax.tree.leaves(by_law)
    assert float(law) == pytest.approx(float((up - down) / (2 * step)), rel=1e-5)
