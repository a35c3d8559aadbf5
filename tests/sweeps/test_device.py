"""Device: what is known of CPUs and accelerators, and that nobody else asks."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from sweeps import _device
from sweeps._plans import preferred_batch
from tests.sweeps import helpers


def test_this_process_computes_on_what_jax_says():
    assert _device.here().platform == jax.default_backend()


def test_nobody_else_asks_what_the_backend_is():
    package = Path(sweeps.__file__).parent
    asking = [file.name for file in package.rglob("*.py") if "default_backend" in file.read_text()]
    assert asking == ["_device.py"]


@pytest.mark.parametrize(
    ("capability", "is_fast"),
    [(9.0, True), (8.0, True), (7.5, False), (None, False)],
    ids=["Hopper", "Ampere", "Turing", "another maker"],
)
def test_tensor_cores_by_the_capability(capability, is_fast):
    found = _device.accelerator("gpu", 80 * 10**9, capability, {"device", "pinned_host"})
    assert found.has_tensor_cores is is_fast and found.has_triton is is_fast
    assert not found.is_cpu and found.landing == "pinned_host"


def test_memory_decides_how_much_is_held_and_where_results_land():
    small, large = (_device.accelerator("gpu", gigabytes * 2**30, None, {"device"}) for gigabytes in (8, 128))
    assert large.batch == 16 * small.batch == 2**28
    assert small.landing is None


class Reports:
    """Stands for a device of JAX."""

    def __init__(self, stats, **more):
        self.stats = stats
        self.__dict__ |= more

    def memory_stats(self):
        return self.stats


def test_what_a_device_reports_is_read():
    assert _device._memory(Reports(dict(bytes_limit=7))) == 7
    assert _device._memory(Reports(None)) == _device._memory(Reports({})) == _device.UNKNOWN_MEMORY
    assert _device._capability(Reports({}, compute_capability="8.6")) == 8.6
    assert _device._capability(Reports({}, compute_capability="gfx90a")) is None
    assert _device._capability(Reports({})) is None


def test_batches_grow_with_the_memory(monkeypatch):
    plan = helpers.objective(helpers.SMALL).plan.tree
    sizes = []
    for batch in (1, 2**10, 2**20, 2**28):
        helpers.set_device(monkeypatch, batch=batch)
        sizes.append(preferred_batch(plan, True))
        assert sizes[-1].bit_count() == 1
    assert sizes[0] == 1 and sizes == sorted(set(sizes))
    assert sizes[-1] * plan.floats_per_mask(True) <= 2**28 < 2 * sizes[-1] * plan.floats_per_mask(True)


def test_what_is_evaluated_together_grows_with_weights_and_shrinks_with_the_steps_of_a_loop(monkeypatch):
    def thick(weights, inputs):
        return jnp.tanh(inputs @ weights["up"]) @ weights["down"]

    def looped(weights, inputs):
        def step(state, _):
            return jnp.tanh(state @ weights["up"] @ weights["down"]), None

        return jax.lax.scan(step, inputs, length=100)[0]

    weights = {"up": jnp.ones((4, 64)) / 64, "down": jnp.ones((64, 4)) / 4}
    batch = (np.ones((64, 4), np.float32), np.zeros(64, np.int32))
    helpers.set_device(monkeypatch, batch=64, micro_batch=64, networks=2**20)
    plan = sweeps.Objective(thick, batch, params=weights, plan="vmapped").plan.tree
    # 4 + 64 + 4 numbers of an example against 512 weights.
    assert plan.loss.micro_batch == 512 // 72 and preferred_batch(plan, False) == 1
    few = tuple(part[:2] for part in batch)
    assert preferred_batch(sweeps.Objective(thick, few, params=weights, plan="vmapped").plan.tree, False) == 2
    plan = sweeps.Objective(looped, few, params=weights, plan="vmapped").plan.tree
    # A hundred steps keep 4 + 4 numbers or more of both examples for the gradient.
    assert plan.floats_per_mask(True) - plan.floats_per_mask(False) > 100 * 2 * 4 > plan.floats_per_mask(False)
