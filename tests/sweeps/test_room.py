"""What a sweep is refused for before anything is evaluated: no room, or a store that cannot be."""

import pytest

import sweeps
from sweeps import InputError
from sweeps._store import disk
from tests.sweeps.test_records import files, swept


class TestTooLarge:
    """Said before anything is evaluated: 36 draws of a loss, 4 bytes, and two gates, as bits."""

    def test_for_memory(self, monkeypatch, evaluated):
        monkeypatch.setattr(disk, "free_memory", lambda: 36 * 4.25)
        swept(None)
        evaluated.clear()
        monkeypatch.setattr(disk, "free_memory", lambda: 36 * 4.25 - 1)
        message = r'Bernoulli\(.* of 2 nodes needs 0.153 kB of memory, .* give keep="summary" or fewer draws, or'
        with pytest.raises(MemoryError, match=message):
            swept(None)
        assert not evaluated
        monkeypatch.setattr(disk, "free_memory", lambda: 10**6)
        swept(None, "summary")

    @pytest.mark.parametrize("stored", [False, True])
    def test_of_too_many_summaries(self, stored, evaluated, tmp_path):
        many = sweeps.FixedSize(1, draws=1, chains=10**9)
        with pytest.raises(
            MemoryError, match="needs .* [kMG]B of memory, of which .* [kMG]B are free: give fewer chains"
        ):
            swept(tmp_path / "sweep.zarr" if stored else None, "summary", many)
        assert not evaluated and not files(tmp_path)

    def test_for_the_disk(self, monkeypatch, evaluated, tmp_path):
        monkeypatch.setattr(disk, "free_space", lambda path: 36 * 4)
        with pytest.raises(
            InputError, match=r'needs .* [kMG]B on the disk, of which .* [kMG]B are free: give keep="summary"'
        ):
            swept(tmp_path / "sweep.zarr")
        assert not evaluated and not files(tmp_path)


@pytest.mark.parametrize("path", [3, b"store", "", "abfs://bucket/store", "a\0b", 300 * "a"])
def test_what_is_no_path_is_named(path):
    with pytest.raises(InputError, match="^store (must|cannot) be a path"):
        swept(path)


def test_a_name_that_no_file_holds_is_named(tmp_path):
    made = sweeps.Objective.from_function(lambda gates: 1 + gates.sum(), nodes=["a", "\ud800"])
    with pytest.raises(InputError, match=r"nodes must have names in Unicode to be stored, got '\\ud800'"):
        swept(tmp_path / "sweep.zarr", made=made)
    assert not files(tmp_path)
