"""The engine: the contract of its datasets, one program a sweep, and losses that are zero or no numbers."""

import functools
import warnings

import arviz
import matplotlib
import numpy as np
import pytest
import scipy.stats
import xarray as xr
from matplotlib import pyplot

import sweeps
from analysis import _derived
from sweeps._engine import runner
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import PROBLEMS, SMALL

NODES = SMALL.nodes
LABELS = [f"layers/0 unit {unit}" for unit in range(NODES)]
GAINS = helpers.partial_gains(NODES)


@functools.cache
def objective(name="two classes", plan="auto"):
    return helpers.objective(PROBLEMS[name], plan=plan)


DESIGNS = {
    "Bernoulli": (
        sweeps.Bernoulli(probability=(0.25, 0.75), draws=10, chains=3),
        {"probability": 2, "chain": 3, "draw": 10},
        "node",
    ),
    "one probability": (sweeps.Bernoulli(probability=0.5, draws=7), {"probability": 1, "chain": 1, "draw": 7}, "node"),
    "FixedSize": (sweeps.FixedSize(on=2, draws=8, chains=2), {"chain": 2, "draw": 8}, "node"),
    "Masks": (sweeps.Masks(GAINS), {"chain": 1, "draw": 6}, "node"),
    "LeaveOneOut": (sweeps.LeaveOneOut(), {"node": NODES}, "gate"),
    "Hypercube": (sweeps.Hypercube(), {"mask": 2**NODES}, "node"),
}


AFFINE = ("affine", "outputs are affine in the gates, as random gates confirm")
CUBE = ("cube", "every mask is evaluated, and outputs are affine in the gates")
PLANS = dict.fromkeys(DESIGNS, AFFINE) | {"Hypercube": CUBE}


@functools.cache
def swept(name):
    return sweeps.sweep(objective(), DESIGNS[name][0], seed=3)


def gates_of(name):
    """Gate vectors of a sweep: as stored, or as the index says."""
    enumerated = {"LeaveOneOut": 1 - np.eye(NODES), "Hypercube": reference.masks(NODES)}
    return enumerated[name] if name in enumerated else swept(name).gates.values


def assert_same(found, wanted, gates):
    """Equal masks exactly, equal losses and gradients to float32 rounding."""
    of_loss, of_gradient = helpers.rounding(SMALL, gates)
    if "gates" in wanted:
        np.testing.assert_array_equal(found.gates, wanted.gates)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=0, atol=2 * of_loss)
    np.testing.assert_allclose(found.loss_gradient, wanted.loss_gradient, rtol=0, atol=2 * of_gradient)
    least = float(wanted.loss.min())
    np.testing.assert_allclose(found.log_loss, wanted.log_loss, rtol=0, atol=4 * of_loss / least)


class TestContract:
    @pytest.mark.parametrize("name", DESIGNS)
    def test_dimensions_and_coordinates(self, name):
        data, (_, axes, inner) = swept(name), DESIGNS[name][:3]
        outer = tuple(axes)
        assert data.loss.dims == data.log_loss.dims == outer
        assert data.loss_gradient.dims == data.log_loss_gradient.dims == (*outer, inner)
        assert dict(data.loss.sizes) == axes
        assert ("gates" in data) == (name not in ("LeaveOneOut", "Hypercube"))
        if "gates" in data:
            assert data.gates.dims == (*outer, inner)
        for label, layer in {"node": "layer", "gate": "gate_layer"}.items():
            assert (label in data.coords) == (label in data.dims)
            if label in data.dims:
                assert list(data[label].values) == LABELS
                assert set(data[layer].values) == {"layers/0"} and data[layer].dims == (label,)
        for counted in {"chain", "draw"} & set(axes):
            np.testing.assert_array_equal(data[counted], np.arange(axes[counted]))

    def test_probabilities_label_their_axis(self):
        np.testing.assert_array_equal(swept("Bernoulli").probability, [0.25, 0.75])
        np.testing.assert_array_equal(swept("one probability").probability, [0.5])

    @pytest.mark.parametrize("name", DESIGNS)
    def test_attributes(self, name):
        attributes = dict(swept(name).attrs)
        full, bound = reference.loss(SMALL, np.ones(NODES)), helpers.rounding(SMALL, np.ones(NODES))[0]
        assert attributes.pop("full_loss") == pytest.approx(full, abs=bound)
        assert attributes == dict(
            design=repr(DESIGNS[name][0]),
            seed=3,
            loss="cross_entropy",
            unit="nats",
            plan=str(runner.choosing.Choice(*PLANS[name], None)),
            precision="highest",
            off="zero",
            nonpositive_losses=0,
            nonfinite_losses=0,
        )

    def test_variables_say_what_they_are(self):
        data = swept("Bernoulli")
        assert data.loss.attrs == {"long_name": "mean loss", "units": "nats"}
        assert data.log_loss.attrs["units"] == "log nats" and data.log_loss_gradient.attrs["units"] == "1"
        assert all(data[name].attrs["long_name"] for name in data)

    def test_types(self):
        data = swept("Bernoulli")
        assert data.gates.dtype == bool and swept("Masks").gates.dtype == np.float32
        assert {str(data[name].dtype) for name in data if name != "gates"} == {"float32"}

    @pytest.mark.parametrize("name", DESIGNS)
    def test_every_number_is_the_objectives_at_the_stored_gates(self, name):
        data, gates = swept(name), gates_of(name)
        value = reference.evaluate(SMALL, gates)
        assert_same(data, xr.Dataset({key: (data[key].dims, part) for key, part in value._asdict().items()}), gates)
        # The quotient is that of the two numbers beside it.
        np.testing.assert_allclose(
            data.log_loss_gradient, data.loss_gradient / data.loss, rtol=4 * helpers.SINGLE, atol=0
        )

    def test_layers_label_the_nodes_of_several(self):
        data = sweeps.sweep(objective("two layers"), sweeps.Bernoulli(probability=0.5, draws=5))
        assert list(data.layer.values) == ["layers/0"] * 4 + ["layers/1"] * 3
        value = reference.evaluate(PROBLEMS["two layers"], data.gates.values)
        bound, _ = helpers.rounding(PROBLEMS["two layers"], np.ones(7))
        np.testing.assert_allclose(data.loss, value.loss, rtol=0, atol=bound)

    def test_without_gradients(self):
        data = sweeps.sweep(objective(), DESIGNS["Bernoulli"][0], seed=3, gradients=False)
        assert set(data) == {"loss", "log_loss", "gates"}
        np.testing.assert_array_equal(data.gates, swept("Bernoulli").gates)
        bound, _ = helpers.rounding(SMALL, np.ones(NODES))
        np.testing.assert_allclose(data.loss, swept("Bernoulli").loss, rtol=0, atol=2 * bound)


class TestBatches:
    # 2 x 3 x 10 draws: 7 divides neither the draws of a stream nor their total, and 1000 exceeds it.
    @pytest.mark.parametrize(
        ("name", "batch_size"), [("Bernoulli", 1), ("Bernoulli", 7), ("Bernoulli", 1000), ("FixedSize", 3)]
    )
    def test_the_batch_size_changes_nothing(self, name, batch_size):
        data = sweeps.sweep(objective(), DESIGNS[name][0], seed=3, batch_size=batch_size)
        assert_same(data, swept(name), gates_of(name))

    def test_several_calls_give_what_one_gives(self, monkeypatch, compiled):
        # Sixty draws of 29 bytes, in calls that may return 500 bytes.
        monkeypatch.setattr(runner, "CALL_BYTES", 500)
        data = sweeps.sweep(objective(), DESIGNS["Bernoulli"][0], seed=3, batch_size=5)
        assert len(programs(compiled)) == 1, "calls of one size, smaller than the sweep of all other tests"
        assert_same(data, swept("Bernoulli"), gates_of("Bernoulli"))

    def test_same_seed_same_numbers(self):
        again = sweeps.sweep(objective(), DESIGNS["Bernoulli"][0], seed=3)
        xr.testing.assert_identical(again, swept("Bernoulli"))


def programs(compiled):
    """Return the compiled programs that evaluate designs, and forget all that was compiled."""
    found = [name for name in compiled if "evaluate" in name and "evaluate_batches" not in name]
    compiled.clear()
    return found


@pytest.mark.parametrize("plan", ["affine", "vmapped"])
def test_new_values_compile_nothing(plan, compiled):
    def sweep(problem, probability, draws=9, seed=3, **options):
        made = helpers.objective(problem, plan=plan)
        return sweeps.sweep(
            made, sweeps.Bernoulli(probability=probability, draws=draws), seed=seed, batch_size=6, **options
        )

    sweep(SMALL, (0.2, 0.8))
    assert len(programs(compiled)) == 1, "masks, losses and gradients of all batches are one program"
    sweep(SMALL, (0.2, 0.8), seed=4)
    sweep(SMALL, (0.5, 0.6))
    sweep(SMALL._replace(inputs=SMALL.inputs + 1), (0.2, 0.8))
    assert not compiled, "seed, probabilities, weights and examples are arguments, also outside the sweep"
    sweep(SMALL, (0.2, 0.8), draws=8)
    assert not programs(compiled), "the number of draws is an argument too: 18 and 16 masks are both three batches"
    if plan == "affine":
        sweep(SMALL, (0.2, 0.8), draws=12)
        assert len(programs(compiled)) == 1, "four batches are another shape"
        sweep(SMALL, (0.2, 0.8), gradients=False)
        assert len(programs(compiled)) == 1, "without gradients it is another program"


def test_values_can_be_changed_in_place():
    data = sweeps.sweep(objective(), sweeps.Bernoulli(draws=5))
    for name, variable in data.data_vars.items():
        variable.values[...] = variable.values
        assert variable.values.flags.writeable, name


class TestStore:
    @pytest.mark.parametrize("name", ["Bernoulli", "Masks", "LeaveOneOut", "Hypercube"])
    def test_a_store_holds_what_memory_would(self, name, tmp_path):
        path = tmp_path / "sweep.zarr"
        returned = sweeps.sweep(objective(), DESIGNS[name][0], seed=3, store=path)
        with xr.open_zarr(path, consolidated=False) as opened:
            stored = opened.load()
        assert set(stored) == {*swept(name)} - {"log_loss_gradient"}, "it follows, and is as large as the rest"
        for data in (returned.load(), _derived.opened(stored)):
            assert_same(data, swept(name), gates_of(name))
            assert data.loss.dims == swept(name).loss.dims and set(data) == set(swept(name))
            assert set(data.coords) == set(swept(name).coords)
            for label, values in swept(name).coords.items():
                assert list(data[label].values) == list(values.values)
            # Beside the attributes of a sweep a store keeps what it needs to go on.
            assert swept(name).attrs.items() <= data.attrs.items()

    @pytest.mark.parametrize("keep", ["draws", "summary"])
    @pytest.mark.parametrize("name", ["Bernoulli", "Hypercube"])
    def test_a_complete_store_is_read_and_nothing_is_compiled(self, name, keep, tmp_path, monkeypatch, compiled):
        arguments = objective(), DESIGNS[name][0]
        first = sweeps.sweep(*arguments, seed=3, batch_size=5, store=tmp_path / "sweep.zarr", keep=keep).load()
        # Another batch size would be another program; the plan's tables and the full loss have been compiled before.
        monkeypatch.setattr(runner.choosing, "built", None)
        monkeypatch.setattr(sweeps.Objective, "evaluate", None)
        compiled.clear()
        again = sweeps.sweep(*arguments, seed=3, batch_size=64, store=tmp_path / "sweep.zarr", keep=keep).load()
        assert not compiled
        xr.testing.assert_identical(again, first)

    def test_a_killed_sweep_goes_on_where_it_stopped(self, tmp_path, monkeypatch):
        monkeypatch.setattr(runner, "CALL_BYTES", 250)
        design, path = DESIGNS["Bernoulli"][0], tmp_path / "killed.zarr"
        whole = sweeps.sweep(objective(), design, seed=3, batch_size=5, store=tmp_path / "whole.zarr").load()
        write, written = runner.Record.write, []

        def killed(record, item, *arguments):
            if len(written) == 7:
                raise KeyboardInterrupt
            written.append(item)
            write(record, item, *arguments)

        monkeypatch.setattr(runner.Record, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            sweeps.sweep(objective(), design, seed=3, batch_size=5, store=path)
        done, written[:] = list(written), []
        monkeypatch.setattr(
            runner.Record, "write", lambda *arguments: (written.append(arguments[1]), write(*arguments))
        )
        xr.testing.assert_identical(sweeps.sweep(objective(), design, seed=3, batch_size=5, store=path).load(), whole)
        assert len(done) == 7 and written and not set(done) & set(written), "finished parts are kept"

    def test_another_sweep_in_the_store_is_refused(self, tmp_path):
        path, design = tmp_path / "sweep.zarr", DESIGNS["Masks"][0]
        before = sweeps.sweep(objective(), design, seed=3, store=path).load()
        with pytest.raises(ValueError, match="store .*sweep.zarr holds another sweep: seed was 3, now 4"):
            sweeps.sweep(objective(), design, seed=4, store=path)
        with pytest.raises(ValueError, match="holds another sweep: design was "):
            sweeps.sweep(objective(), sweeps.LeaveOneOut(), seed=3, store=path)
        moved = helpers.objective(SMALL._replace(inputs=SMALL.inputs + 1))
        with pytest.raises(ValueError, match="holds another sweep: network was "):
            sweeps.sweep(moved, design, seed=3, store=path)
        with pytest.raises(ValueError, match="holds another sweep: masks was "):
            sweeps.sweep(objective(), sweeps.Masks(GAINS + 1), seed=3, store=path)
        xr.testing.assert_identical(sweeps.sweep(objective(), design, seed=3, store=path).load(), before)

    def test_a_path_of_something_else_is_refused(self, tmp_path):
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(FileExistsError, match="store .* already holds something that is no sweep"):
            sweeps.sweep(objective(), sweeps.LeaveOneOut(), store=tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_losses_that_are_no_numbers_are_stored(self, tmp_path):
        broken = SMALL._replace(layers=(SMALL.layers[0], (SMALL.layers[1][0], np.full(2, np.nan))))
        path = tmp_path / "sweep.zarr"
        sweeps.sweep(helpers.objective(broken), DESIGNS["Bernoulli"][0], seed=3, store=path)
        with xr.open_zarr(path, consolidated=False) as stored:
            assert np.isnan(stored.loss).all() and stored.attrs["nonfinite_losses"] == 60
            assert stored.attrs["full_loss"] == "NaN", "JSON has no such number"


class TestLossesThatAreSpecial:
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_parameters_that_are_no_numbers_are_counted(self, value):
        kernel, bias = SMALL.layers[1]
        broken = SMALL._replace(layers=(SMALL.layers[0], (kernel, np.array([value, 0]))))
        data = sweeps.sweep(helpers.objective(broken), DESIGNS["Bernoulli"][0], seed=3)
        # An infinite output makes the loss infinite or, where it is the right one, zero or NaN: none is finite on
        # average over both classes.
        assert data.attrs["nonfinite_losses"] == data.loss.size == 60
        assert not np.isfinite(data.loss).any() and not np.isfinite(data.attrs["full_loss"])
        np.testing.assert_array_equal(data.gates, swept("Bernoulli").gates)

    def test_a_loss_of_exactly_zero(self):
        none = sweeps.Objective.from_function(lambda gates: 0 * gates.sum(), nodes=3)
        data = sweeps.sweep(none, sweeps.Hypercube())
        assert (data.loss == 0).all() and (data.log_loss == -np.inf).all()
        assert (data.loss_gradient == 0).all() and np.isnan(data.log_loss_gradient).all()
        assert (data.attrs["nonpositive_losses"], data.attrs["nonfinite_losses"]) == (8, 0)

    def test_some_losses_zero_and_some_negative(self):
        some = sweeps.Objective.from_function(lambda gates: gates.sum() - 1, nodes=3)
        data = sweeps.sweep(some, sweeps.Hypercube())
        on = reference.masks(3).sum(axis=1)
        np.testing.assert_array_equal(data.loss, on - 1)
        assert data.attrs["nonpositive_losses"] == 4, "three masks have one node on, one has none"
        np.testing.assert_array_equal(np.isnan(data.log_loss), on == 0)
        np.testing.assert_array_equal(np.isnan(data.log_loss_gradient).all("node"), on <= 1)

    def test_functions_are_swept_like_networks(self):
        energy = sweeps.Objective.from_function(lambda gates: 1 + (gates**2).sum(), nodes=3)
        data = sweeps.sweep(energy, sweeps.Masks([[0.5, 0, 2], [1, 1, 1]]))
        np.testing.assert_allclose(data.loss[0], [5.25, 4], rtol=helpers.SINGLE)
        np.testing.assert_allclose(data.loss_gradient[0], [[1, 0, 4], [2, 2, 2]], rtol=helpers.SINGLE)
        assert data.attrs["plan"] == "vmapped: a function of the gates" and data.attrs["unit"] == "loss units"
        assert list(data.node.values) == ["node 0", "node 1", "node 2"]


class TestMessages:
    def test_batch_size(self):
        with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
            sweeps.sweep(objective(), sweeps.LeaveOneOut(), batch_size=0)

    def test_keep(self):
        with pytest.raises(ValueError, match="keep must be .*, got 'everything'"):
            sweeps.sweep(objective(), sweeps.LeaveOneOut(), keep="everything")

    def test_a_design_that_does_not_fit(self):
        with pytest.raises(ValueError, match="on must be at most the number of nodes, 6, got 7"):
            sweeps.sweep(objective(), sweeps.FixedSize(on=7))

    def test_progress_is_for_terminals(self, capsys):
        sweeps.sweep(objective(), DESIGNS["Bernoulli"][0], seed=3, progress=True)
        assert capsys.readouterr() == ("", "")


@pytest.fixture(scope="module")
def chains():
    """A sweep with the four chains that convergence diagnostics like to have."""
    design = sweeps.Bernoulli(probability=(0.25, 0.5), draws=TestArviz.DRAWS, chains=TestArviz.CHAINS)
    return sweeps.sweep(objective(), design, seed=5)


class TestArviz:
    """Functions that expect (chain, draw) work on a sweep as it is."""

    CHAINS, DRAWS = 4, 1000

    def test_effective_sample_size_is_the_number_of_draws(self, chains):
        ess = arviz.ess(chains)
        assert ess.loss.dims == ("probability",) and ess.loss_gradient.dims == ("probability", "node")
        # ESS is n / tau with tau = 1 + 2 sum of autocorrelations, cut at the first negative pair (Geyer). Those of
        # independent draws have standard error 1/sqrt(n). A pair is positive with probability 1/2, so the sum has
        # more than 41 terms with a chance of 2^-20; the largest partial sum of 41 exceeds 5.2 sqrt(41 / n) with a
        # chance of 4e-7 (reflection), which bounds tau above. Only the first term can make tau smaller than one.
        draws = self.CHAINS * self.DRAWS
        longest = 1 + 2 * 5.2 * np.sqrt(41 / draws)
        shortest = 1 - 2 * 5.2 / np.sqrt(draws)
        for name in ("loss", "log_loss"):
            assert (ess[name] > draws / longest).all() and (ess[name] < draws / shortest).all()

    def test_the_standard_error_is_that_of_independent_draws(self, chains):
        error = arviz.mcse(chains)
        plain = chains.loss.std(("chain", "draw")) / np.sqrt(self.CHAINS * self.DRAWS)
        # MCSE is sd / sqrt(ESS): the bounds of the test above, under the root.
        ratio = error.loss / plain
        draws = self.CHAINS * self.DRAWS
        assert (ratio < np.sqrt(1 + 2 * 5.2 * np.sqrt(41 / draws))).all()
        assert (ratio > np.sqrt(1 - 2 * 5.2 / np.sqrt(draws))).all()

    def test_chains_agree(self, chains):
        rhat = arviz.rhat(chains)
        # Chains are split: 8 halves of 500 draws. R^2 is 1 + (chi^2 of 7 / 7 - 1) / 500 for independent normal
        # scores; the larger of two kinds, for two probabilities and two variables: a false alarm of 8e-7.
        largest = np.sqrt(1 + (scipy.stats.chi2.isf(1e-7, 7) / 7 - 1) / 500)
        for name in ("loss", "log_loss"):
            assert (rhat[name] < largest).all()

    def test_intervals_of_highest_density(self, chains):
        interval = arviz.hdi(chains)
        # 0.x calls the ends lower and higher, 1.x lower and upper.
        (dim,) = {name for name in interval.loss.dims if name != "probability"}
        low, high = (interval.loss.isel({dim: end}) for end in (0, 1))
        inside = ((chains.loss >= low) & (chains.loss <= high)).mean(("chain", "draw"))
        assert (low < high).all() and ((inside > 0.88) & (inside < 0.96)).all()

    def test_it_plots_them(self, chains):
        loss = chains[["log_loss"]].isel(probability=0)
        plot = arviz.plot_dist if hasattr(arviz, "plot_ppc_dist") else arviz.plot_trace
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with matplotlib.rc_context({"backend": "agg"}):
                assert plot(loss) is not None
                pyplot.close("all")
