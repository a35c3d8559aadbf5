"""Seals: what is sealed is told from what became of it."""

import json
import math

import pytest

from analysis import InputError, _seals

ATTRIBUTES = {"loss": math.inf, "other": -math.inf, "none": math.nan, "name": "NaN", "list": [1, math.inf], "seed": 3}


@pytest.fixture
def group(tmp_path):
    _seals.begin(tmp_path, **ATTRIBUTES)
    for name in ("loss/c/0", "loss/zarr.json"):
        _seals.write_whole(tmp_path / name, name.encode())
    _seals.seal(tmp_path, _seals.sums_of_group(tmp_path), complete=True)
    return tmp_path


def test_a_sealed_group_is_whole_and_its_attributes_what_they_were(group):
    assert _seals.is_sealed(group) and _seals.damage(group) == []
    content = json.loads((group / "zarr.json").read_text(), parse_constant=pytest.fail)
    found = _seals.attributes_of(content)
    assert found.pop("none") != found.get("none") and found.pop("complete") is True
    assert found == {**{n: v for n, v in ATTRIBUTES.items() if n != "none"}, "list": [1, "Infinity"]}


def test_every_bit_counts(group):
    for path in _seals.whole_files(group):
        whole = path.read_bytes()
        for bit in range(8 * len(whole)):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            same = path.name == "zarr.json" and path.parent == group and _reads_the_same(changed, whole)
            assert _seals.damage(group) == ([] if same else [path])
        path.write_bytes(whole)


def _reads_the_same(changed, whole):
    """Whether only blanks changed."""
    try:
        return json.loads(bytes(changed)) == json.loads(whole)
    except ValueError:
        return False


def test_what_is_missing_or_cut_is_seen(group):
    for path in _seals.whole_files(group):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        assert _seals.damage(group) == [path]
        path.unlink()
        assert _seals.damage(group) == [path]
        path.write_bytes(whole)


def test_what_a_kill_left_is_no_part_of_a_group(group):
    (group / f"loss/c/1.{'0' * 32}.partial").write_bytes(b"half")
    assert _seals.damage(group) == [] and len(_seals.whole_files(group)) == 3


@pytest.mark.parametrize("name", [".DS_Store", "loss/notes.txt", "loss/c/0.bak", "c1"])
def test_somebody_elses_file_is_no_part_of_a_group(group, name):
    (group / name).write_bytes(b"something")
    _seals.seal(group, _seals.sums_of_group(group))
    assert _seals.files_of(group).keys() == {"loss/zarr.json", "loss/c/0"}


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is missing"), ("{", "cannot be read"), ("[1]", "describes no Zarr group"), ("\xff", "cannot be read")],
)
def test_a_document_that_cannot_be_read_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "zarr.json").write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=f"{tmp_path}/zarr.json .*{message}"):
        _seals.files_of(tmp_path)
