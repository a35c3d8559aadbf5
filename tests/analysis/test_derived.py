"""Derived variables: lazy, right however they are indexed, and not stored."""

import copy
import pickle

import numpy as np
import pytest
import xarray as xr

from analysis import _derived

RANDOM = np.random.default_rng(0)
LOSS = np.array([[0.5, 2.0, 0.0], [-1.0, np.nan, np.inf]], np.float32)
GRADIENT = RANDOM.normal(size=(2, 3, 35)).astype(np.float32)
GATES = RANDOM.random((2, 3, 35)) < 0.5
DIMS = ("chain", "draw", "node")


def words_of(gates):
    """Bits of masks, by adding up powers of two."""
    wide = np.pad(gates, [(0, 0)] * (gates.ndim - 1) + [(0, -gates.shape[-1] % 32)])
    wide = wide.reshape(*gates.shape[:-1], -1, 32)
    return (wide.astype(np.uint64) << np.arange(32, dtype=np.uint64)).sum(axis=-1).astype(np.uint32)


def kept():
    """What a sweep keeps."""
    data = xr.Dataset(
        dict(loss=(DIMS[:2], LOSS, dict(units="nats")), loss_gradient=(DIMS, GRADIENT)), attrs=dict(seed=3)
    )
    return data.assign(gates=_derived.masks(words_of(GATES), DIMS, 35))


def whole():
    return _derived.with_logs(kept())


def plain():
    """What all variables are, without any laziness."""
    positive = LOSS > 0
    with np.errstate(all="ignore"):
        relative = np.where(positive[..., None], GRADIENT / LOSS[..., None], np.nan)
        log = np.where(LOSS < 0, np.nan, np.log(LOSS))
    return xr.Dataset(
        dict(gates=(DIMS, GATES), loss=(DIMS[:2], LOSS), log_loss=(DIMS[:2], log), loss_gradient=(DIMS, GRADIENT)),
    ).assign(log_loss_gradient=(DIMS, relative.astype(np.float32)))


def test_values_types_order_and_labels():
    found, wanted = whole(), plain()
    assert list(found.data_vars) == list(wanted.data_vars) == list(_derived.NAMES)
    for name in _derived.NAMES:
        assert found[name].dtype == wanted[name].dtype and found[name].dims == wanted[name].dims
        np.testing.assert_array_equal(found[name].values, wanted[name].values)
    assert found.log_loss.attrs["units"] == "log nats" and found.log_loss_gradient.attrs["units"] == "1"
    assert found.attrs["seed"] == 3


@pytest.mark.parametrize("name", _derived.NAMES)
@pytest.mark.parametrize(
    "index",
    [
        dict(chain=1),
        dict(chain=-1, draw=-2),
        dict(draw=slice(1, None)),
        dict(draw=slice(None, None, -1)),
        dict(draw=[2, 0]),
        dict(chain=[1, 0], draw=[0, 2]),
        dict(draw=np.array([True, False, True])),
        dict(chain=xr.DataArray([0, 1, 1], dims="pick"), draw=xr.DataArray([2, 2, 0], dims="pick")),
        dict(node=-1),
        dict(node=slice(5, 34, 3)),
        dict(node=[34, 0, 33], draw=1),
        dict(chain=0, draw=0, node=0),
        dict(draw=[]),
    ],
    ids=str,
)
def test_any_part_is_the_part_of_the_whole(name, index):
    found, wanted = whole()[name], plain()[name]
    index = {dim: one for dim, one in index.items() if dim in found.dims}
    part = found.isel(index)
    assert part.shape == wanted.isel(index).shape
    np.testing.assert_array_equal(part.values, wanted.isel(index).values)


@pytest.mark.parametrize("name", _derived.NAMES)
@pytest.mark.parametrize(
    "first", [dict(draw=[2, 0], node=[0, 5]), dict(chain=[1], draw=slice(None, None, -1))], ids=str
)
def test_parts_of_parts_whatever_their_order(name, first):
    pick = dict(chain=xr.DataArray([0, 1, 1], dims="pick"))

    def parts(data):
        one = data[name]
        cut = one.isel(first, missing_dims="ignore")
        turned = one.transpose(..., "chain")
        numbers = {dim: -1 for dim in one.dims}
        picked = one.isel(pick)
        last = {dim: 1 for dim in picked.dims}
        return [cut.isel(chain=0), cut.isel(draw=-1), turned, turned.isel(numbers), picked, picked.isel(last)]

    for found, wanted in zip(parts(whole()), parts(plain()), strict=True):
        xr.testing.assert_equal(found, wanted)


def test_nothing_is_computed_before_it_is_read_and_once_it_is_read_it_is_kept(monkeypatch):
    calls = []
    monkeypatch.setattr(_derived, "log", lambda loss: calls.append(loss.shape) or np.zeros_like(loss))
    data = whole()
    assert data.sizes == dict(chain=2, draw=3, node=35) and "log_loss" in repr(data) and calls == []
    data.log_loss.isel(chain=0).values  # noqa: B018
    assert calls == [(1, 3)]
    for _ in range(2):
        data.log_loss.values  # noqa: B018
    assert calls == [(1, 3), (2, 3)]


def test_datasets_are_changed_copied_and_sent_as_any():
    data = whole()
    data["log_loss"][0, 0] = 7
    data["gates"].values[0, 0, 0] ^= True
    assert data.log_loss.values[0, 0] == 7 and data.gates.values[0, 0, 0] != GATES[0, 0, 0]
    for copied in (
        pickle.loads(pickle.dumps(whole())),
        copy.deepcopy(whole()),
        whole().copy(deep=True),
        whole().load(),
    ):
        xr.testing.assert_equal(copied, plain())


def test_what_is_there_stays():
    changed = whole().assign(log_loss=whole().log_loss + 1)
    xr.testing.assert_identical(_derived.with_logs(changed).log_loss, changed.log_loss)
    assert set(_derived.with_logs(kept().drop_vars("loss_gradient"))) == {"gates", "loss", "log_loss"}


@pytest.mark.parametrize("name", ["data.zarr", "data.nc"])
def test_a_dataset_is_written_whole_by_xarray(name, tmp_path):
    if name.endswith(".zarr"):
        whole().to_zarr(tmp_path / name, consolidated=False)
        found = xr.open_zarr(tmp_path / name, consolidated=False)
    else:
        whole().to_netcdf(tmp_path / name, engine="h5netcdf")
        found = xr.open_dataset(tmp_path / name, engine="h5netcdf")
    with found:
        xr.testing.assert_equal(found.load(), plain())


def test_a_store_leaves_out_the_largest_that_follows(tmp_path):
    left = _derived.stored(whole())
    assert set(left) == {"gates", "loss", "log_loss", "loss_gradient"}
    left.to_zarr(tmp_path / "data.zarr", consolidated=False)
    with xr.open_zarr(tmp_path / "data.zarr", consolidated=False) as data:
        found = _derived.opened(data).load()
    xr.testing.assert_equal(found, plain())
    assert found.attrs == dict(seed=3) and _derived.stored(found).attrs == left.attrs


def test_other_groups_are_stored_and_opened_as_they_are():
    other = xr.Dataset(
        dict(loss=("epoch", [1.0, 2.0]), loss_gradient=("epoch", [1.0, 2.0])), attrs=dict(derived_from="x")
    )
    assert _derived.opened(other) is other and _derived.stored(other).identical(other)
