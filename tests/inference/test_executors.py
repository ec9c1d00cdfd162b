"""Members in other processes and on several devices: the same laws, and nothing lost that had finished."""

import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import jax
import numpy as np
import pytest

import operax as ox

KEY = jax.random.key(3)

TWO_DEVICES = """
import jax, numpy as np, jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
import operax as ox
from operax import laws
from operax.inference.ensemble import prepared
from operax.inference.members import side_by_side
from operax.inference.problem import together

domain = ox.Domain((12,), 1.0)
truth = ox.Diffusion(2.0)
clean = ox.simulate(truth, jnp.cos(jnp.pi * domain.centres()[0] / 12), jnp.arange(5.0), domain)
noise = ox.noise.Gaussian(0.05)
noisy = clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(1)))
problem = ox.Problem(noisy, None, noise)
best = ox.fit(ox.Diffusion(laws.positive(2.0, factor=2)), problem)
shared = prepared(best, together(problem), jax.random.key(3), ox.Randomised(), 40, 1e-3)
devices = tuple(jax.devices())
assert len(devices) == 2
numbers = jnp.arange(6)
apart = side_by_side(shared, numbers, devices)
one = side_by_side(shared, numbers)
assert np.allclose(apart.unknowns, one.unknowns, rtol=1e-8, atol=1e-10)
text = side_by_side.lower(shared, numbers, devices).compile().compiled.as_text()
for word in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
    assert word not in text, word
print("alone")
"""


@pytest.mark.slow
def test_spawned_processes_give_the_same_laws(solved):
    problem, best = solved
    here = ox.ensemble(best, problem, key=KEY, size=4, batch=2)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        there = ox.ensemble(best, problem, key=KEY, size=4, batch=2, executor=processes)
    for one, other in zip(jax.tree.leaves(here.draws), jax.tree.leaves(there.draws), strict=True):
        assert np.asarray(one) == pytest.approx(np.asarray(other), rel=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Sending large graph")
def test_a_killed_worker_of_a_cluster_costs_only_its_running_member(solved, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
    problem, best = solved
    killed = []
    # one after the other, spawned by Dask itself; a worker that dies is replaced and its task is done again
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())

        def kill_one(done, size):
            if not killed:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)

        posterior = ox.ensemble(
            best, problem, key=KEY, size=6, executor=client.get_executor(), folder=tmp_path / "members",
            progress=kill_one,
        )  # fmt: skip
    assert killed
    assert posterior.found["member"].tolist() == list(range(6))
    assert not [note for note in posterior.notes if "lost" in note]


@pytest.mark.slow
def test_devices_share_members_and_exchange_nothing():
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], env=os.environ | flags, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "alone", done.stderr[-2000:]
