"""Metrics and losses of examples in a sweep's dataset: in memory, in a store, summed up, and on a resumed sweep."""

import numpy as np
import pytest
import scipy.stats
import xarray as xr

import sweeps
from sweeps import InputError, _metrics
from sweeps._engine import runner
from sweeps._store import disk
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import PROBLEMS, SMALL

NAMED = ["accuracy", "kl"]
DESIGNS = {
    "Bernoulli": sweeps.Bernoulli(probability=(0.25, 0.5), draws=20, chains=2),
    "FlipPaths": sweeps.FlipPaths(paths=5),
    "Hypercube": sweeps.Hypercube(),
    "LeaveOneOut": sweeps.LeaveOneOut(),
}


def objective(problem=SMALL, chosen=NAMED, **how):
    return sweeps.Objective(helpers.network(problem), helpers.batch(problem), loss=problem.loss, metrics=chosen, **how)


def swept(name, keep="examples", **how):
    return sweeps.sweep(how.pop("made", None) or objective(), DESIGNS[name], seed=3, keep=keep, **how)


def gates_of(name, data):
    if name == "Hypercube":
        return reference.masks(6)
    return 1 - np.eye(6) if name == "LeaveOneOut" else data.gates.values


@pytest.mark.parametrize("name", DESIGNS)
def test_a_sweep_has_what_evaluate_has(name, monkeypatch, tmp_path, evaluated):
    # Items of a few draws.
    monkeypatch.setattr(runner, "CALL_BYTES", 1500)
    made, data = objective(), swept(name)
    gates = gates_of(name, data)
    found = made.evaluate(gates)
    close = dict(rtol=0, atol=2e-6)
    for metric in NAMED:
        assert data[metric].dims == data.loss.dims and set(data[metric].attrs) == {"long_name", "units"}
        np.testing.assert_allclose(data[metric], found.metrics[metric], **close)
    assert data.example_loss.dims == (*data.loss.dims, "example") and data.counted.values.tolist() == [1] * 12
    np.testing.assert_allclose(data.example_loss, made.example_losses(gates), **close)
    np.testing.assert_allclose(data.example_loss.mean("example"), data.loss, **close)
    np.testing.assert_allclose(data.full_example_loss, made.example_losses(np.ones(6)), **close)
    stored = swept(name, store=tmp_path / "sweep.zarr")
    assert len(evaluated) > 1
    xr.testing.assert_allclose(stored.load(), data, rtol=1e-5)
    assert {key: value.attrs for key, value in stored.items()} == {key: value.attrs for key, value in data.items()}
    evaluated.clear()
    xr.testing.assert_identical(swept(name, store=tmp_path / "sweep.zarr").load(), stored)
    assert not evaluated
    with pytest.raises(InputError, match="holds another sweep: metrics was .*'kl'.*, now .*'accuracy'"):
        swept(name, store=tmp_path / "sweep.zarr", made=objective(chosen="accuracy"))


@pytest.mark.parametrize("stored", [False, True])
def test_a_summary_has_moments_of_finite_values(stored, tmp_path):
    def odd(outputs, targets):
        """Infinite where the first output of any example is large."""
        return (outputs**2).sum(axis=-1) / (outputs[:, 0] < 1).astype(outputs.dtype)

    made = objective(chosen={"kl": "kl", "odd": odd})
    data = swept("Bernoulli", "draws", made=made)
    found = swept("Bernoulli", "summary", made=made, store=tmp_path / "sweep.zarr" if stored else None).load()
    assert not np.isfinite(data.odd).all()
    for name in ("kl", "odd"):
        for index in np.ndindex(2, 2):
            values = data[name].values[index].astype(float)
            values = values[np.isfinite(values)]
            wanted = dict(count=len(values), mean=values.mean(), variance=values.var(ddof=1))
            wanted |= dict(skewness=scipy.stats.skew(values), excess_kurtosis=scipy.stats.kurtosis(values))
            for moment, number in wanted.items():
                assert found[f"{name}_{moment}"].dims == ("probability", "chain")
                np.testing.assert_allclose(found[f"{name}_{moment}"].values[index], number, rtol=1e-4, atol=1e-4)


def test_all_names_of_a_dataset_are_taken():
    made = sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL))
    for name in DESIGNS:
        for keep in ("examples", "summary"):
            data = swept(name, keep, made=made)
            moments = [f"_{part}" for part in ("count", "mean", "variance", "skewness", "excess_kurtosis")]
            moments += ["_histogram", "_below", "_above"]
            for found in {*map(str, data.variables), *map(str, data.dims)}:
                assert any(found.removesuffix(part) in _metrics.TAKEN for part in ("", *moments)), found


def test_another_order_of_the_examples_is_another_sweep(tmp_path):
    """The loss alone is the same: a squared error keeps one triangular factor of all examples."""
    problem = PROBLEMS["one value"]
    order = np.arange(12)[::-1]
    other = problem._replace(inputs=problem.inputs[order], targets=problem.targets[order])
    swept("LeaveOneOut", made=objective(problem, None), store=tmp_path / "sweep.zarr")
    with pytest.raises(InputError, match="holds another sweep: network"):
        swept("LeaveOneOut", made=objective(other, None), store=tmp_path / "sweep.zarr")


def test_positions_that_count_are_numbered():
    random = np.random.default_rng(0)
    inputs, mask = random.normal(size=(4, 3, 2)).astype(np.float32), np.arange(12).reshape(4, 3) < 8
    made = sweeps.Objective(helpers.network(SMALL), (inputs, random.integers(2, size=(4, 3)), mask))
    data = sweeps.sweep(made, DESIGNS["Bernoulli"], keep="examples")
    assert data.counted.values.tolist() == [3, 3, 2, 0]
    assert np.isnan(data.example_loss[..., 3]).all()
    mean = data.example_loss.fillna(0).weighted(data.counted).mean("example")
    np.testing.assert_allclose(mean, data.loss, rtol=1e-5)


def test_memory_is_said_first(monkeypatch, capsys, evaluated):
    # 80 draws of a loss, two metrics, 12 examples and six gates as bits.
    needed = 80 * (4 * (1 + 2 + 12) + 6 / 8)
    monkeypatch.setattr(disk, "free_memory", lambda: needed - 1)
    with pytest.raises(MemoryError, match=r'with the losses of 12 examples needs 4.86 kB .*: give keep="draws" or'):
        swept("Bernoulli", gradients=False)
    assert not evaluated
    monkeypatch.setattr(disk, "free_memory", lambda: needed)
    swept("Bernoulli", gradients=False, progress=True)
    assert "with the losses of 12 examples needs 4.86 kB of memory" in capsys.readouterr().err
    function = sweeps.Objective.from_function(lambda gates: gates.sum(), nodes=2)
    with pytest.raises(InputError, match="made from a function has no examples"):
        sweeps.sweep(function, sweeps.Hypercube(), keep="examples")
