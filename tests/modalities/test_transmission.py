"""Transmission, spots, scatter and cross-sections: exact where noise is absent, honest where it is not."""

import numpy as np
import pytest
import tifffile
from scipy.special import erf

from operax import modalities as md
from operax import noise
from operax.domain import Domain
from operax.io import load
from operax.modalities import neutron
from operax.movie import Movie

SHAPE = (16, 20)
ROW, COLUMN = np.mgrid[:16, :20]
BEAM = 900 + 10.0 * ROW + 5.0 * COLUMN
DARK = 100 + COLUMN
THROUGH = np.where(COLUMN < 6, 1.0, np.exp(-0.1 * ROW))
DOSE = np.array([1.0, 0.9, 1.2])
EMPTY = COLUMN < 5


def movie(frames, **more):
    frames = np.asarray(frames, float).reshape(-1, *SHAPE)
    return Movie(frames, np.arange(len(frames)), Domain(SHAPE, 0.05), units=("mm", "s", "counts"), **more)


def measured():
    return movie(DARK + DOSE[:, None, None] * BEAM * THROUGH), movie(DARK + BEAM), movie(DARK)


def test_transmission_comes_back_through_dark_and_dose():
    sample, beam, dark = measured()
    found = neutron.transmission(sample, beam, dark, empty=EMPTY)
    np.testing.assert_allclose(found.frames, np.stack([THROUGH] * 3), rtol=1e-12)
    assert found.units == ("mm", "s", "transmission")
    assert found.variance is None
    plain = neutron.transmission(sample, beam, dark)
    np.testing.assert_allclose(plain.frames, DOSE[:, None, None] * THROUGH, rtol=1e-12)


def test_scatter_is_measured_behind_black_bodies_and_taken_off():
    fog = 40 + 10.0 * ROW / 16 - 5.0 * (COLUMN / 20) ** 2
    black = (ROW % 5 == 2) & (COLUMN % 6 == 3)
    sample, beam, dark = measured()
    behind = movie(np.where(black, DARK + fog, DARK + fog + BEAM))
    found = neutron.scattered(behind, dark, black)
    np.testing.assert_allclose(found, fog, atol=1e-9)
    foggy = neutron.transmission(
        sample.replace(frames=sample.frames + fog), beam.replace(frames=beam.frames + fog / 2), dark,
        empty=EMPTY, scatter=found, open_scatter=found / 2,
    )  # fmt: skip
    np.testing.assert_allclose(foggy.frames, np.stack([THROUGH] * 3), rtol=1e-9)
    with pytest.raises(ValueError, match="a polynomial of degree 4 needs 15 black bodies, `black` shows 9"):
        neutron.scattered(behind, dark, black, degree=4)


def test_variance_is_what_noise_causes():
    model = noise.PoissonGaussian(0.5, 100.0, 3.0)
    sample, beam, dark = measured()
    states = [m.replace(variance=model.variance(m.frames)) for m in (sample, beam, dark)]
    stated = neutron.transmission(*states, empty=EMPTY)
    assert stated.variance.shape == stated.frames.shape
    rng, draws = np.random.default_rng(0), []
    for _ in range(200):
        noisy = [m.replace(frames=m.frames + np.sqrt(m.variance) * rng.normal(size=m.frames.shape)) for m in states]
        draws.append(np.asarray(neutron.transmission(*noisy, empty=EMPTY).frames))
    ratio = np.var(draws, 0) / stated.variance
    # dose and pixels of the empty region share their noise: there the stated variance is a little large
    np.testing.assert_allclose(ratio[:, ~EMPTY].mean(), 1, atol=0.03)
    assert ratio[:, EMPTY].mean() < 1.05


def test_spots_are_replaced_and_nothing_else():
    rng = np.random.default_rng(1)
    step = np.where(np.arange(64)[:, None] < 30, 200.0, 120.0) * np.ones((64, 64))
    counts = rng.poisson(step).astype(float)
    dirty = counts.copy()
    places = rng.integers(2, 62, (20, 2))
    dirty[tuple(places.T)] += 500
    seen = Movie(dirty[None], [0], Domain((64, 64)), variance=step[None])
    bare = seen.replace(variance=None)
    ways = ((seen, None, 5.0), (bare, noise.PoissonGaussian(1.0), 5.0), (bare, None, 6.0))
    for found in (neutron.remove_spots(m, model, threshold=limit) for m, model, limit in ways):
        clean = np.asarray(found.frames[0])
        assert np.abs(clean - step).max() < 6 * np.sqrt(200)
        assert (clean != dirty).sum() <= len(places) + 4
    replaced = np.asarray(neutron.remove_spots(seen).variance[0])[tuple(places.T)]
    assert (replaced < 30).all()
    with pytest.raises(ValueError, match="`size` odd and at least 3"):
        neutron.remove_spots(seen, size=4)


def test_cross_sections_of_lithium_and_graphite():
    assert neutron.cross_section("Li", scattering=False) == 70.5
    np.testing.assert_allclose(neutron.cross_section("6Li", 2 * 1.798, scattering=False), 1880)
    # 7.59 % of the atoms of natural lithium are 6Li
    mixed = 0.0759 * neutron.cross_section("6Li") + 0.9241 * neutron.cross_section("7Li")
    np.testing.assert_allclose(mixed, neutron.cross_section("Li"), rtol=0.02)
    # LiC6 of 28 229 mol/m³ (79 g/mol): absorption by lithium alone is 1.20 per cm
    density = 28229e-6 * (6.94 + 6 * 12.011)
    lithium = neutron.attenuation("LiC6", density, scattering=False)
    np.testing.assert_allclose(lithium, 1.20, atol=0.005)
    assert neutron.attenuation("6LiC6", 2.2) > 9 * neutron.attenuation("LiC6", 2.2)
    np.testing.assert_allclose(neutron.attenuation("H2O", 1.0), 5.65, atol=0.05)


def test_depth_change_and_concentration():
    frames = np.exp(-np.array([0.1, 0.3, 0.6])[:, None, None] * np.ones(SHAPE))
    seen = movie(frames, variance=1e-4)
    depth = neutron.optical_depth(seen)
    np.testing.assert_allclose(depth.frames[:, 0, 0], [0.1, 0.3, 0.6])
    np.testing.assert_allclose(depth.variance, 1e-4 / frames**2)
    moved = neutron.change(depth)
    np.testing.assert_allclose(moved.frames[:, 0, 0], [0, 0.2, 0.5], atol=1e-12)
    np.testing.assert_allclose(moved.variance[1], depth.variance[1] + depth.variance[0])
    assert moved.reads == (-2, -1, 0)
    np.testing.assert_allclose(neutron.change(depth, slice(0, 2)).frames[2], 0.4)
    c = neutron.concentration(moved, 10.0, cross_section=neutron.cross_section("Li", scattering=False))
    # 0.5 = c N_A σ d with d = 10 mm: 1.2 per cm belong to 28 229 mol/m³
    np.testing.assert_allclose(c.frames[2, 0, 0], 28229 * 0.5 / 1.1985, rtol=1e-3)
    assert c.units[2] == "mol/m^3"


def test_edge_is_found_with_its_own_error():
    rng, x = np.random.default_rng(2), np.arange(40.0)
    clean = 1 - 0.4 * (1 + erf((x - 17.3) / (np.sqrt(2) * 2.0))) / 2
    exact = md.edge(clean, x)
    np.testing.assert_allclose([exact.position, exact.width, exact.low, exact.high], [17.3, 2, 1, 0.6], atol=1e-6)
    fits = [md.edge(clean + 0.02 * rng.normal(size=40), x, np.full(40, 4e-4)) for _ in range(60)]
    z = [(f.position - 17.3) / f.position_std for f in fits]
    assert 0.75 < np.std(z) < 1.3
    with pytest.raises(ValueError, match="one profile of at least six values"):
        md.edge(clean[:4], x[:4])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: neutron.transmission(movie(BEAM), movie(BEAM).crop(slice(4), slice(4))),
            "`open_beam` must show the same",
        ),
        (
            lambda: neutron.transmission(movie(BEAM), movie(DARK), movie(BEAM)),
            "brighter than dark and scatter; it is not in 320",
        ),
        (
            lambda: neutron.transmission(movie(BEAM), movie(BEAM), empty=np.zeros(SHAPE, bool)),
            "`empty` must mark pixels",
        ),
        (lambda: neutron.transmission(movie(0 * BEAM), movie(BEAM), empty=EMPTY), "is dark in some frame"),
        (lambda: neutron.scattered(movie(BEAM), None, np.ones((2, 2), bool)), "`black` must be a mask of the view"),
        (lambda: neutron.optical_depth(movie(BEAM - 1000)), "the logarithm needs positive intensities"),
        (lambda: neutron.change(movie(BEAM), 3), "`reference` must pick at least one of 1 frames"),
        (lambda: neutron.concentration(movie(BEAM), 0.0, cross_section=70.5), "must be positive, got 0.0 and 70.5"),
        (lambda: neutron.cross_section("Xx"), "there is no cross-section of 'Xx' here; known are H, D, Li"),
        (lambda: neutron.cross_section("Li", -1), "`wavelength` must be positive, in Å, got -1"),
        (lambda: neutron.attenuation("Li(C6)", 2.0), "`formula` must be element symbols with numbers"),
        (lambda: neutron.attenuation("LiC6", 0.0), "`density` must be positive, in g/cm³, got 0.0"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def wedge(real, exposure, kind):
    folder = real("neutron_stepwedge_psi")
    how = {"times": 1.0, "spacing": 0.04399, "units": ("mm", "frame", "counts")}
    return load(folder, dataset=f"exp{exposure}s_{kind}.tif", **how).crop(slice(60, 700), slice(600, 1300))


def test_real_water_wedge_has_the_published_slope(real):
    sample, empty, dark = (neutron.remove_spots(wedge(real, 20, kind)) for kind in ("h2o", "empty", "dc"))
    free = np.zeros(sample.domain.shape, bool)
    free[240:640, 40:200] = True
    depth = neutron.optical_depth(neutron.transmission(sample, empty, dark, empty=free))
    rows = [(110, 195), (215, 315), (325, 420), (445, 540), (555, 640)]
    water = np.array([2.5, 2.0, 1.5, 1.0, 0.5])  # mm
    found = [float(depth.frames[0, a - 60 : b - 60, 380:640].mean()) for a, b in rows]
    slope, intercept = np.polyfit(water, found, 1)
    assert slope == pytest.approx(0.323, abs=0.01)
    assert intercept == pytest.approx(0.067, abs=0.02)


def test_real_time_of_flight_counts_keep_their_statistics(real):
    raw = load(real("neutron_tof_mcp"), dataset="*.fits.gz", spacing=1.0)
    frames = np.asarray(raw.frames, float)
    level = frames.mean(0)
    lit = level > 0.5 * np.median(level)
    ratio = (frames.var(0, ddof=1)[lit] / level[lit]).mean()
    assert ratio == pytest.approx(1.09, rel=0.03)


def test_agrees_with_neunorm(real):
    sc = pytest.importorskip("scipp")
    normalizer = pytest.importorskip("neunorm.processing.normalizer")
    folder = real("neutron_stepwedge_psi")
    s, o, d = (tifffile.imread(folder / f"exp20s_{k}.tif")[300:500, 640:900].astype(float) for k in ("h2o", "ob", "dc"))

    def theirs(counts):
        values = counts - d
        return sc.DataArray(sc.array(dims=["y", "x"], values=values, variances=counts))

    reference = normalizer.normalize_transmission(theirs(s), theirs(o), background_roi=(0, 0, 100, 200))
    domain = Domain(s.shape)
    empty = np.zeros(s.shape, bool)
    empty[:200, :100] = True
    ours = neutron.transmission(
        Movie(s[None], [0], domain, variance=s[None]), Movie(o[None], [0], domain, variance=o[None]),
        Movie(d[None], [0], domain, variance=0.0), empty=empty,
    )  # fmt: skip
    np.testing.assert_allclose(ours.frames[0], reference.values, rtol=1e-6)
    np.testing.assert_allclose(ours.variance[0], reference.variances, rtol=1e-3)
