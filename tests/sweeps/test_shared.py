"""The shared plan: losses of masks that share values of early layers are those of the network, with less work."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from sweeps import ranking
from sweeps._engine import runner
from sweeps._masks import alike
from sweeps._plans import choosing, shared
from sweeps._program import dependence, tracing
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import PROBLEMS

THREE = PROBLEMS["three layers"]
NODES = THREE.nodes
# Every vector twice, in no order.
GAINS = np.random.default_rng(3).permutation(np.concatenate([helpers.partial_gains(NODES)] * 2))
DESIGNS = {
    "leave-one-out": sweeps.LeaveOneOut(),
    "paths": sweeps.FlipPaths(paths=3),
    "short paths of a layer": sweeps.FlipPaths(paths=4, flips=2, layer="layers/1"),
    "gains": sweeps.Masks(GAINS),
    "random": sweeps.Bernoulli(probability=(0.2, 0.9), draws=20),
    "fixed size": sweeps.FixedSize(3, draws=20),
    "all": sweeps.Hypercube(),
}


@pytest.fixture
def one_at_a_time(monkeypatch):
    """A network that fills the cache: its gate vectors are evaluated one at a time."""
    helpers.set_device(monkeypatch, batch=1)


def gates_of(design, data):
    if isinstance(design, sweeps.LeaveOneOut):
        return 1 - np.eye(NODES)
    return reference.masks(NODES) if isinstance(design, sweeps.Hypercube) else np.asarray(data.gates, float)


@pytest.mark.parametrize("name", DESIGNS)
def test_losses_are_the_networks(name, x64, one_at_a_time):
    objective = helpers.objective(THREE, np.float64, plan="vmapped")
    data = sweeps.sweep(objective, DESIGNS[name], gradients=False)
    assert data.attrs["plan"].startswith("shared: masks share the values before the first gate that differs")
    gates = gates_of(DESIGNS[name], data)
    wanted = [reference.loss(THREE, one) for one in gates.reshape(-1, NODES)]
    np.testing.assert_allclose(data.loss.values.ravel(), wanted, rtol=1e-10)


@pytest.mark.parametrize(("wish", "together"), [(1, 1), (1, 3), (3, 2), (64, 1), (64, 3)])
def test_batches_parts_of_the_data_and_masks_evaluated_together_change_nothing(wish, together, x64, monkeypatch):
    network, data = helpers.network(THREE, np.float64), helpers.batch(THREE, np.float64)
    objective = sweeps.Objective(network, data, plan="vmapped", micro_batch=5)
    program = shared._Program.of(objective.plan.tree)
    plan = shared.Shared(objective.plan.tree, tuple(program.stage_of_gates().tolist()), wish, together)
    wanted = [reference.loss(THREE, gates) for gates in GAINS]
    np.testing.assert_allclose(shared.losses(plan, jnp.asarray(GAINS, float)), wanted, rtol=1e-10)


def counted(layers, width):
    """Return a function of gates with layers of equal work, and the list to which each adds its number when it runs."""
    ran = []

    def note(number, values):
        ran.append(number)
        return values

    def function(gates):
        values = jnp.ones((width, 50))
        for number in range(layers):
            gate = gates[number * width : (number + 1) * width]
            shape = jax.ShapeDtypeStruct(values.shape, values.dtype)
            gated = values * gate[:, None]
            values = jax.pure_callback(lambda v, n=number: note(n, v), shape, gated, vmap_method="sequential")
            values = jnp.tanh(values @ jnp.eye(50, dtype=values.dtype)) + values.sum(axis=0, keepdims=True) / 9
        return values.sum()

    return function, ran


def test_each_layer_runs_once_for_all_masks_that_agree_so_far(one_at_a_time):
    function, ran = counted(layers=3, width=4)
    objective = sweeps.Objective.from_function(function, nodes=12)
    found = sweeps.sweep(objective, sweeps.LeaveOneOut(), gradients=False)
    assert found.attrs["plan"].startswith("shared: ")
    # Four masks differ in the first layer, and the others agree with each other; the loss with all gates on comes last.
    assert [ran.count(number) for number in range(3)] == [5 + 1, 9 + 1, 12 + 1]
    ran.clear()
    path = sweeps.sweep(objective, sweeps.FlipPaths(paths=1), gradients=False)
    assert [ran.count(number) for number in range(3)] == [5 + 1, 9 + 1, 13 + 1]
    for data, gates in ((found, 1 - np.eye(12)), (path, path.gates.values[0, 0])):
        wanted = objective.evaluate(gates, gradients=False).loss
        np.testing.assert_allclose(data.loss.values.ravel(), wanted, rtol=64 * helpers.SINGLE)


def test_a_node_that_is_off_already_costs_nothing_in_a_ranking(one_at_a_time):
    function, ran = counted(layers=3, width=4)
    objective = sweeps.Objective.from_function(function, nodes=12)
    gates = np.ones(12)
    gates[:8] = 0
    scores = ranking.scores(objective, gates=gates)
    assert [ran.count(number) for number in range(3)] == [1, 1, 5]
    whole = objective.evaluate(gates, gradients=False).loss
    alone = objective.evaluate(gates * (1 - np.eye(12)), gradients=False).loss
    np.testing.assert_allclose(scores, np.where(gates, alone - whole, np.inf), atol=64 * helpers.SINGLE * whole)


def test_removal_paths_are_those_of_the_network(x64, one_at_a_time):
    # In a function: an MLP has a ranking of its own.
    network = helpers.network(THREE, np.float64)
    sites = [f"layers/{number}" for number in range(3)]
    objective = sweeps.Objective(network, helpers.batch(THREE, np.float64), call=lambda net, x: net(x), sites=sites[:2])
    path = ranking.removal_path(objective)
    gates, on = np.ones(NODES), np.arange(len(objective.nodes))
    for step, node in enumerate(path.order):
        without = [reference.loss(THREE, np.where(np.arange(NODES) == one, 0, gates)) for one in on]
        assert node == on[np.argmin(without)]
        gates[node], on = 0, on[on != node]
        np.testing.assert_allclose(path.loss[step + 1], min(without), rtol=1e-10)


def plan_of(objective, design, gradients=False):
    return runner.Runner(objective, design, 3, gradients, "draws", None, apart=False).plan


def test_it_is_chosen_only_where_it_pays(monkeypatch):
    objective = helpers.objective(THREE, plan="vmapped")
    chosen = plan_of(objective, sweeps.LeaveOneOut())
    assert (chosen.name, "; not shared: " in chosen.reason) == ("vmapped", True), "a batch costs as much as a mask"
    helpers.set_device(monkeypatch, batch=1)
    assert plan_of(objective, sweeps.LeaveOneOut()).name == "shared"
    assert plan_of(objective, sweeps.LeaveOneOut(), gradients=True).name == "vmapped", "gradients cross all layers"
    shallow = plan_of(helpers.objective(PROBLEMS["two classes"], plan="vmapped"), sweeps.LeaveOneOut())
    assert (shallow.name, "all gates are read at one place" in shallow.reason) == ("vmapped", True)
    three, ones = reference.masks(3), np.ones((8, NODES - 3))
    for masks, name in (([ones, three], "shared"), ([three, ones], "vmapped")):
        assert choosing.for_masks(objective.plan, lambda _, masks=masks: np.hstack(masks)).name == name


def test_off_values_metrics_losses_of_examples_and_tied_gates(x64, one_at_a_time):
    inputs, targets = helpers.batch(THREE, np.float64)
    batch = sweeps.MaskedBatch(inputs, targets, np.arange(len(inputs)) % 3 > 0)
    sites = [sweeps.Tied("layers/0", "layers/1", groups=1), "layers/2"]
    how = dict(off="resample", micro_batch=5, plan="vmapped", metrics={"size": lambda outputs, _: outputs**2})
    objective = sweeps.Objective(helpers.network(THREE, np.float64), batch, sites=sites, **how)
    tree = replace(objective.plan.tree, loss=replace(objective.plan.tree.loss, keeps_examples=True))
    gates = jnp.asarray(np.concatenate([reference.masks(4), helpers.partial_gains(4)]), float)
    chosen = choosing.for_masks(replace(objective.plan, tree=tree), lambda _: np.asarray(gates))
    assert chosen.name == "shared"
    found, wanted = (jax.jit(lambda plan: plan.evaluate(gates, False))(plan) for plan in (chosen.tree, tree))
    assert jax.tree.structure(found) == jax.tree.structure(wanted) and found.example_loss.shape == (22, len(inputs))
    for part, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-12)
    np.testing.assert_allclose(found.loss, objective.evaluate(gates, gradients=False).loss, rtol=1e-12)
    zero = reference.loss(THREE, np.zeros(NODES))
    assert abs(objective.evaluate(np.zeros(4)).loss - zero) > 1e-3, "the values are other examples'"


def moves(gates):
    return jnp.concatenate([gates[3:5], jnp.zeros(2, gates.dtype), gates[:1]]).reshape(5, 1).repeat(3, axis=1).T


FUNCTIONS = {
    "moved": (moves, [0, 3, 4]),
    "looked up": (lambda gates: gates[np.array([[5, 1], [1, 2]])], [1, 2, 5]),
    "one by one": (lambda gates: jnp.where(gates[1:3] == 0, 1 - gates[1:3], gates[1:3] ** 2), [1, 2]),
    "then sliced": (lambda gates: (gates.reshape(2, 3) * 2)[1, :2], [3, 4]),
    "mixed": (lambda gates: gates[:2] + gates[2:4], [0, 1, 2, 3]),
    "mixed, then sliced": (lambda gates: (gates[:2] + gates[2:4])[:1], [0, 1, 2, 3]),
    "summed, then sliced": (lambda gates: jnp.cumsum(gates[:3])[:1], [0, 1, 2]),
    "a place chosen by a gate": (lambda gates: jnp.arange(5)[gates[4].astype(int)], [4]),
    "constants": (lambda gates: jnp.arange(3) * 2, []),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_dependence_is_found_number_by_number_or_taken_to_be_on_all(name):
    function, wanted = FUNCTIONS[name]
    closed = tracing.inlined(jax.make_jaxpr(function)(jnp.ones(6)))
    origin = dependence.origins(closed)[closed.jaxpr.outvars[0]]
    assert np.flatnonzero(origin.on).tolist() == wanted


def test_masks_foreseen_are_like_the_designs():
    assert alike.like(sweeps.LeaveOneOut().sampler(5), 5, 9).tolist() == (~np.eye(5, dtype=bool)).tolist()
    path = alike.like(sweeps.FlipPaths(flips=3).sampler(6), 6, 4)
    assert (path[1:] != path[:-1]).sum(axis=1).tolist() == [1, 1, 1]
    rare, often = np.split(alike.like(sweeps.Bernoulli(probability=(0.0, 1.0)).sampler(6), 6, 8), 2)
    assert not rare.any() and often.all()
    assert (alike.like(sweeps.FixedSize(2).sampler(6), 6, 4).sum(axis=1) == 2).all()
    assert alike.like(sweeps.Hypercube().sampler(3), 3, 99).tolist() == reference.masks(3).astype(bool).tolist()
