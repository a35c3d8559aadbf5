"""Layout: items cover a sweep once, and what they write tiles the arrays on disk."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sweeps._engine.layout import Layout

NAMES = ("probability", "chain", "draw")
sizes = st.lists(st.integers(1, 4), max_size=2).flatmap(
    lambda outer: st.integers(1, 40).map(lambda draws: (*outer, draws))
)
rows = st.integers(0, 6).map(lambda power: 2**power)


def layout(sizes, rows, apart=True):
    return Layout(dict(zip(NAMES[-len(sizes) :], sizes, strict=True)), rows, apart)


@given(sizes, rows, st.booleans())
def test_items_cover_every_draw_once_and_in_order(sizes, rows, apart):
    made = layout(sizes, rows, apart)
    covered = [draw for item in made.items for draw in range(item.start, item.stop)]
    assert covered == list(range(int(np.prod(sizes)))) and made.total == len(covered)
    assert all(0 < item.stop - item.start <= rows for item in made.items)


@given(sizes, rows)
def test_items_that_are_apart_stay_within_a_stream(sizes, rows):
    made = layout(sizes, rows)
    assert made.streams == np.prod(sizes[:-1], dtype=int) and made.draws == sizes[-1]
    for item in made.items:
        assert made.stream_of(item) == (item.stop - 1) // made.draws
    # No more of them than needed.
    assert len(made.items) == made.streams * -(-made.draws // rows)


@given(sizes, rows)
def test_items_that_are_not_apart_are_all_full_but_the_last(sizes, rows):
    made = layout(sizes, rows, apart=False)
    assert {item.stop - item.start for item in made.items[:-1]} <= {rows}


@given(sizes, rows, st.lists(st.integers(1, 3), max_size=2))
def test_places_tile_the_arrays(sizes, rows, inner):
    made, inner = layout(sizes, rows), tuple(inner)
    names = tuple(f"inner {axis}" for axis in range(len(inner)))
    array = made.array(inner, names, np.float32)
    assert array.shape == (*sizes, *inner) and array.dims == (*NAMES[-len(sizes) :], *names)
    assert array.dtype == np.float32
    values = np.arange(np.prod(array.shape)).reshape(-1, *inner)
    written, visits = np.full(array.shape, -1), np.zeros(array.shape, int)
    for item in made.items:
        place = made.place(item, inner)
        assert place.shape == (item.stop - item.start, *inner)
        written[place.region] = values[item.start : item.stop].reshape(place.shape)
        visits[place.region] += 1
    assert (visits == 1).all()
    # Flat draws are the axes in C order.
    np.testing.assert_array_equal(written.reshape(values.shape), values)


@given(sizes, rows, st.lists(st.integers(1, 3), max_size=2))
def test_a_place_is_one_whole_chunk_of_its_own(sizes, rows, inner):
    made, inner = layout(sizes, rows), tuple(inner)
    array = made.array(inner, tuple(map(str, inner)), bool)
    chunks = set()
    for item in made.items:
        place = made.place(item, inner)
        for axis, (index, number) in enumerate(zip(place.region, place.chunk, strict=True)):
            start, stop = (index, index + 1) if isinstance(index, int) else index.indices(array.shape[axis])[:2]
            assert start == number * array.chunk[axis]
            assert stop == min(start + array.chunk[axis], array.shape[axis])
        chunks.add(place.chunk)
    assert (
        len(chunks) == len(made.items) == np.prod([-(-n // c) for n, c in zip(array.shape, array.chunk, strict=True)])
    )
