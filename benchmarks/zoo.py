"""Zoo: networks that nobody here wrote, read as they are: which nodes, whether they are right, what a user writes.

Run as ``python -m benchmarks.zoo [names]`` in an environment with the extra ``zoo``. A node that its gate switches off
is held against the same network without it, by surgery on its parameters: zero what makes it, where the activation of
zero is zero, or else zero the rows of all that read it. Weights are random, and every bias and scale has a value.
"""

import argparse
import ast
import inspect
import sys
import textwrap
import time
import traceback
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from benchmarks.report import aligned
from benchmarks.zoo_networks import NETWORKS, Case, NotRun, Wanted, by_path
from sweeps import _program

PACKAGES = ("jax", "flax", "transformers", "flaxmodels", "jraph", "dm-haiku", "equinox", "keras")
# Nodes with an effect that are switched off at each site, nodes that are tried for that, and nodes whose slopes are
# held to differences.
OFF, TRIED, SLOPES = 3, 60, 8


class Bounds(NamedTuple):
    """Largest errors that are accepted.

    Attributes
    ----------
    outputs : with all gates on, as a share of the largest output
    effect : of a node that is off, as a share of the largest effect at its site
    slope : of gate gradients, as a share of the largest of them
    step : of the differences that they are held to
    """

    outputs: float
    effect: float
    slope: float
    step: float


# Steps are long in single precision; differences are wrong if a ReLU of any example bends within a step.
BOUNDS = {"float32": Bounds(1e-4, 5e-2, 5e-2, 5e-3), "float64": Bounds(1e-12, 1e-6, 1e-6, 1e-6)}


class Outcome(NamedTuple):
    """A row of the table at the end."""

    network: str
    sites: int | None = None
    nodes: int | None = None
    seconds: float | None = None
    lines: int | None = None
    outputs: float | None = None
    effect: float | None = None
    slope: float | None = None
    precision: str = "-"
    outcome: str = "right"


NOTES = """
- read: trace the network and find its nodes; lines: what a user writes, from the network to its objective
- all on: outputs with all gates on, against the network; node off: outputs with a node off, against surgery, over the
  largest effect of a node of that site; slopes: gate gradients against differences of the loss
"""
COLUMNS = ["network", "sites", "nodes", "read in s", "lines", "all on", "node off", "slopes", "in", "outcome"]


def without(params: Any, wanted: Wanted, nodes: int, node: int) -> Any:
    """Return the parameters of the network without a node."""
    zeroed = dict(one.rsplit(":", 1) for one in wanted.zeroed.split())
    leaves = []
    for path, leaf in by_path(params):
        if path in zeroed:
            axis = int(zeroed.pop(path))
            width = leaf.shape[axis] // nodes
            off = np.arange(leaf.shape[axis]) // width == node
            leaf = jnp.where(off.reshape([-1 if a == axis % leaf.ndim else 1 for a in range(leaf.ndim)]), 0, leaf)
        leaves.append(leaf)
    if zeroed:
        raise KeyError(f"{wanted.path}: no parameters {', '.join(zeroed)}")
    return jax.tree.unflatten(jax.tree.structure(params), leaves)


def lines(snippet: Callable) -> int:
    """Return the number of lines that a user writes: those of the function's body that are not empty."""
    text = textwrap.dedent(inspect.getsource(snippet))
    body = ast.parse(text).body[0].body  # type: ignore[attr-defined]
    return sum(bool(line.strip()) for line in text.splitlines()[body[0].lineno - 1 :])


class Checked:
    """A case, its objective, and its errors.

    Attributes
    ----------
    wrong : in words
    sites : number of the first node of each site that is gated and wanted, with the site and what is wanted
    """

    def __init__(self, case: Case):
        self.case, self.wrong = case, []
        self.objective = case.snippet(case.params, case.batch)
        self.function = case.apply or self.objective.network
        self._gated = jax.jit(self.objective.outputs)
        self._apply = jax.jit(self.function)
        self.ones = np.ones(len(self.objective.nodes))
        self.itself = self.surgery(case.params)
        self.precision = str(self._apply(case.params, case.batch[0]).dtype)
        self.bounds = BOUNDS[self.precision]
        self.sites = list(self._sites())

    def _sites(self) -> Any:
        """Compare the gated sites with the wanted ones."""
        wanted, sizes = {(one.path, one.kind): one for one in self.case.wanted}, dict(by_path(self.case.params))
        start = 0
        for site in self.objective.sites:
            one = wanted.pop((site.path, site.kind), None)
            if one is None:
                self.wrong.append(f"{site.path} {site.kind} is gated")
            else:
                path, axis = one.zeroed.split()[0].rsplit(":", 1)
                nodes = one.nodes or sizes[path].shape[int(axis)]
                if nodes == site.size:
                    yield start, site, one
                else:
                    self.wrong.append(f"{site.path} has {site.size} nodes, not {nodes}")
            start += site.size
        self.wrong += [f"{path} {kind} is not gated" for path, kind in wanted]

    def gated(self, gates: np.ndarray) -> np.ndarray:
        """Return the outputs with gates."""
        return np.asarray(self._gated(gates), np.float64)

    def surgery(self, params: Any) -> np.ndarray:
        """Return the outputs with other parameters."""
        return np.asarray(self._apply(params, self.case.batch[0]), np.float64)

    def seconds(self) -> float:
        """Return the time to trace the network and read its nodes, without caches."""
        jax.clear_caches()
        start = time.perf_counter()
        _program.read(lambda params, inputs: self.function(params, inputs), self.case.params, self.case.batch[0])
        return time.perf_counter() - start

    def outputs_error(self) -> float:
        """Return the difference of the outputs with all gates on, relative to the largest output."""
        error = abs(self.gated(self.ones) - self.itself).max() / abs(self.itself).max()
        if not error <= self.bounds.outputs:
            self.wrong.append(f"with all gates on, outputs differ by {error:.1e}")
        return error

    def off_error(self) -> tuple[float, list[int]]:
        """Difference of nodes off and surgery, as a share of the site's largest effect; and the node that has it."""
        random, worst, nodes = np.random.default_rng(0), 0.0, []
        for start, site, wanted in self.sites:
            effects: dict[int, float] = {}
            error = 0.0
            # A node that is off for the whole batch tests nothing.
            for node in random.permutation(site.size)[:TRIED]:
                right = self.surgery(without(self.case.params, wanted, site.size, node))
                found = self.gated(np.where(np.arange(len(self.ones)) == start + node, 0.0, 1.0))
                effects[start + int(node)], error = abs(right - self.itself).max(), max(error, abs(found - right).max())
                if np.count_nonzero(list(effects.values())) == OFF:
                    break
            nodes.append(max(effects, key=lambda node: effects[node]))
            share = error / max(effects.values()) if any(effects.values()) else np.inf
            worst = max(worst, share)
            if not share <= self.bounds.effect:
                self.wrong.append(f"{site.path} {site.kind}: off is wrong by {share:.1e} of its effect")
        return worst, nodes

    def slope_error(self, nodes: list[int]) -> float:
        """Difference between gate gradients and differences of the loss, as a share of the largest of these."""
        found = self.objective.evaluate(self.ones).loss_gradient
        steps = self.bounds.step * np.array([4, 1, 1 / 4])
        right = np.array([[self.difference(node, step) for node in nodes] for step in steps])
        # A bend within a step, or rounding, spoils some steps; a wrong gradient disagrees with all.
        error = float((np.abs(np.asarray(found, np.float64)[nodes] - right).min(0) / np.abs(right).max()).max())
        if not error <= self.bounds.slope:
            self.wrong.append(f"gate gradients differ by {error:.1e}")
        return error

    def difference(self, node: int, step: float) -> float:
        """Return the slope of the loss from two of its values."""
        aside = step * (np.arange(len(self.ones)) == node)
        up, down = (self.loss(self.gated(self.ones + sign * aside)) for sign in (1, -1))
        return (up - down) / (2 * step)

    def loss(self, outputs: np.ndarray) -> float:
        """Return the mean loss in double precision: cross-entropy for integer targets, else squared error."""
        targets, mask = (np.asarray(one) for one in (*self.case.batch[1:], True)[:2])
        if np.issubdtype(targets.dtype, np.integer):
            chosen = np.take_along_axis(outputs, targets[..., None], -1)[..., 0]
            each = scipy.special.logsumexp(outputs, -1) - chosen
        else:
            each = np.square(outputs - targets).sum(-1)
        return float(each[np.broadcast_to(mask, each.shape)].mean())


def check(name: str) -> Outcome:
    """Read a network and check its nodes; print the table of its sites."""
    try:
        return checked(name, NETWORKS[name]())
    except NotRun as error:
        return Outcome(name, outcome=f"not run: {error}".splitlines()[0])
    except Exception as error:  # continue with the other networks
        traceback.print_exc()
        return Outcome(name, outcome=f"wrong: {type(error).__name__}: {error}".splitlines()[0])


def checked(name: str, case: Case) -> Outcome:
    one = Checked(case)
    rows = [[site.path, site.kind, site.size, site.reads] for site in one.objective.sites]
    print(f"## {name}: {NETWORKS[name].__doc__}\n\n{aligned(['path', 'kind', 'nodes', 'read by'], rows)}\n", flush=True)
    outputs, (effect, nodes) = one.outputs_error(), one.off_error()
    random = np.random.default_rng(1)
    slope = one.slope_error(sorted(random.choice(nodes, min(SLOPES, len(nodes)), replace=False)))
    loss, right = float(one.objective.evaluate(one.ones).loss), one.loss(one.itself)
    if not abs(loss - right) <= 10 * one.bounds.outputs * abs(right):
        one.wrong.append(f"the loss is {loss}, not {right}")
    return Outcome(
        name,
        len(one.objective.sites),
        len(one.ones),
        one.seconds(),
        lines(case.snippet),
        outputs,
        effect,
        slope,
        one.precision,
        f"wrong: {'; '.join(one.wrong)}" if one.wrong else "right",
    )


def installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def main(arguments: list[str] | None = None) -> None:
    """Check the named networks; the exit status is 1 if a network is wrong, or none could run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"which, of {', '.join(NETWORKS)}; all by default")
    names = parser.parse_args(arguments).names or list(NETWORKS)
    if unknown := set(names) - set(NETWORKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(NETWORKS)}")
    outcomes = [check(name) for name in names]
    print(f"# Zoo\n\nWith {', '.join(map(installed, PACKAGES))}.\n")
    print(aligned(COLUMNS, [list(one) for one in outcomes]))
    print(NOTES)
    is_wrong = any(one.outcome.startswith("wrong") for one in outcomes)
    sys.exit(is_wrong or all(one.outcome.startswith("not run") for one in outcomes))


if __name__ == "__main__":
    main()
