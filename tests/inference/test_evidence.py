"""Evidence is the marginal likelihood, and a comparison says what it cannot tell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import operax as ox
from operax import laws
from operax.inference.descent import Point
from operax.inference.fit import concluded
from operax.inference.likelihood import likelihood
from operax.inference.linearise import linearise, predict
from operax.inference.marginal import supposed
from operax.inference.settle import objective
from operax.physics.plan import StepPlan


@pytest.mark.parametrize("kind", ["gaussian", "counting", "heavy"])
def test_loss_and_normalisation_are_the_density(kind):
    domain = ox.Domain((5, 4), 1.0)
    core = ox.noise.PoissonGaussian(0.05, 0.0, 0.1) if kind == "counting" else ox.noise.Gaussian(0.2)
    judge = likelihood(ox.StudentT(core, 3) if kind == "heavy" else core, domain, 1e-4)
    frame, mean = 0.4 + 0.2 * jax.random.normal(jax.random.key(0), (2, 5, 4))
    known, factor = core.variance(0.4 + 0 * mean), jnp.ones((5, 4)).at[0].set(0)
    spread = np.sqrt(core.variance(mean))
    model = scipy.stats.t(3, mean, spread) if kind == "heavy" else scipy.stats.norm(mean, spread)
    found = judge.loss(frame, factor, known, mean) + judge.normalisation(factor, known)
    assert float(found) == pytest.approx(float(-model.logpdf(frame)[1:].sum()), rel=1e-10)


def test_normalisation_of_correlated_noise_is_its_entropy():
    domain = ox.Domain((6, 7), 1.0, "periodic")
    lags = np.array([[0.0, 0.1, 0.0], [0.2, 1.0, 0.2], [0.0, 0.1, 0.0]])
    judge = likelihood(ox.Correlated(ox.noise.Gaussian(0.3), lags), domain, 0.09)
    whiten = jax.jacfwd(judge.whiten)(jnp.zeros(domain.shape)).reshape(42, 42)
    expected = 42 * np.log(0.3 * np.sqrt(2 * np.pi)) - np.linalg.slogdet(whiten)[1]
    found = judge.normalisation(jnp.ones(domain.shape), jnp.full(domain.shape, 0.09))
    assert float(found) == pytest.approx(expected, rel=1e-8)


def test_evidence_of_a_linear_problem_is_exact():
    """With a known diffusivity and an unknown source everything is Gaussian: y = m + J x, x standard normal."""
    domain = ox.Domain((10,), 1.0)
    equation = ox.Diffusion(0.4, laws.Unknown(0.02, 0.03))
    frames = 0.5 + 0.1 * jax.random.normal(jax.random.key(2), (4, 10))
    problem = ox.Problem(
        ox.Movie(frames, np.arange(4.0), domain), None, ox.noise.Gaussian(0.1), start=ox.PreRoll(cutoff=0.8)
    )
    plan = StepPlan((), jnp.asarray(4), jnp.array([0.2, 0.0]))
    theta, unravel = jax.flatten_util.ravel_pytree(equation)
    xi = jnp.zeros_like(problem.starts.guess)
    normal = linearise(equation, xi, (problem,), (plan,))
    d_theta, d_xi = normal.newton_step(0.0)
    best = unravel(theta + d_theta)
    value = objective(best, xi + d_xi, (problem,), (plan,))
    fit = concluded(
        Point(best, xi + d_xi, (plan,), 1.0, (value,)), normal, "converged", (problem,), supposed(equation, (problem,))
    )

    def seen(x):
        return predict(unravel(x[:1]), x[1:][None], problem, plan).ravel()

    x = jnp.zeros(1 + xi.shape[1])
    mean, jacobian = seen(x), jax.jacfwd(seen)(x)
    expected = scipy.stats.multivariate_normal(mean, jacobian @ jacobian.T + 0.01 * np.eye(40)).logpdf(frames.ravel())
    assert float(ox.evidence(fit, problem)) == pytest.approx(expected, rel=1e-8)


def judged(solved, evidence, unseen):
    names = ("a", "b", "c")[: len(evidence)]
    return ox.Comparison(names, (solved[1],) * len(evidence), np.array(evidence), np.array(unseen))


def test_a_verdict_says_what_it_cannot_tell(solved):
    clear = judged(solved, [10.0, -5.0, 2.0], [1.0, 1.1, 1.1])
    assert clear.verdict == "a: its log evidence is 8.0 above the next"
    assert clear.probabilities.sum() == pytest.approx(1)
    near = judged(solved, [10.0, 8.5, 2.0], [1.0, 1.0, 1.0])
    assert near.verdict.startswith("cannot tell a from b: their log evidence differs by 1.5")
    assert "none of them may be true" in judged(solved, [10.0, 2.0], [4.0, 5.0]).verdict
    assert "b predicts unseen frames better" in judged(solved, [10.0, 2.0], [4.0, 1.0]).verdict
    table = str(near).splitlines()
    assert table[1].split()[0] == "a"
    assert "χ² unseen" in table[0]
    assert table[-1] == near.verdict


@pytest.mark.slow
def test_the_true_law_is_picked_and_equal_ones_are_not_told_apart(line, unknown):
    _, clean, _, _ = line
    noise = ox.noise.Gaussian(0.002)
    quiet = clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(4)))
    found = ox.compare(
        {
            "constant": ox.Diffusion(laws.positive(2.0, factor=2)),
            "linear": unknown,
            "a little wider": ox.Diffusion(laws.positive(2.0, factor=2) * laws.Exp(laws.Legendre(1, 0.6))),
        },
        ox.Problem(quiet, None, noise),
    )
    assert found.names[int(np.argmin(found.evidence))] == "constant"
    assert "cannot tell" in found.verdict
    assert found.probabilities[0] < 0.01
    assert found.unseen[1] == pytest.approx(1, abs=0.3)


def test_candidates_and_unseen_frames_are_needed(solved, unknown):
    with pytest.raises(ValueError, match="name at least one candidate"):
        ox.compare({}, solved[0])
    with pytest.raises(ValueError, match="must leave frames to fit and frames to predict"):
        ox.compare({"a": unknown}, solved[0], unseen=0.01)
