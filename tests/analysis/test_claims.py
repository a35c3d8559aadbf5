"""Claims: each verdict from intervals, shares and parts, and what the table and the macros say of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.claims import (
    FAILS,
    HOLDS,
    NOT_COMPARABLE,
    NOT_MEASURED,
    PARTLY,
    UNDECIDED,
    VERDICTS,
    Claim,
    Statement,
    above,
    add_numbers,
    by_share,
    combined,
    everywhere,
    judged,
    measured,
    table,
    tally,
    within,
)
from analysis.intervals import NO_INTERVAL, Interval, interval
from analysis.numbers import Numbers

SAID = Statement("It falls", "it holds where it falls", published="0.59")
OURS = Statement("It rises", "it holds where it rises", source="ours")


@given(st.floats(-5, 5), st.floats(0, 3), st.floats(-5, 5), st.floats(0, 4))
def test_an_interval_is_judged_by_where_it_lies(mean, half, low, width):
    found, high = Interval(mean, half, 5), low + width
    for verdict, holds, fails in (
        (above(found, bound=low), mean - half > low, mean + half < low),
        (within(found, low, high), low <= mean - half and mean + half <= high, mean + half < low or mean - half > high),
    ):
        assert verdict == (HOLDS if holds else FAILS if fails else UNDECIDED)


def test_one_network_decides_nothing_and_none_measures_nothing():
    alone, none = interval([3.0]), interval([np.nan])
    assert above(alone) == within(alone, 0, 9) == UNDECIDED
    assert above(none) == within(none, 0, 9) == by_share(np.nan, 0.9, 0.5) == NOT_MEASURED


@given(st.lists(st.sampled_from(VERDICTS), max_size=5))
def test_verdicts_of_parts_are_joined(parts):
    known = set(parts) - {NOT_MEASURED}
    joined, strict = combined(parts), everywhere(parts)
    assert (joined == NOT_MEASURED) == (strict == NOT_MEASURED) == (not known)
    assert (strict == FAILS) == (FAILS in known)
    if len(known) == 1:
        assert {joined} == known
    if {HOLDS, FAILS} <= known:
        assert joined == PARTLY
    if joined == HOLDS:
        assert known == {HOLDS} and strict == HOLDS


def test_a_claim_of_parts_keeps_their_numbers():
    claim = judged(SAID, {"a": (HOLDS, {"share": 0.9}), "b": (FAILS, {"share": 0.1})})
    assert claim.verdict == PARTLY and claim.cases == {"a": HOLDS, "b": FAILS} and claim.values["b"]["share"] == 0.1
    assert measured(claim) == "1 of 2 parts hold"
    assert judged(SAID, {"a": (HOLDS, {})}, verdict=FAILS).verdict == FAILS
    assert not judged(SAID, {}).known
    assert measured(Claim(SAID, UNDECIDED, measured=NO_INTERVAL, unit="nats")) == "not known"


def test_the_table_says_what_was_published_and_measured():
    claims = {
        "falls": Claim(SAID, HOLDS, measured=interval([0.5, 0.52, 0.51]), unit="points"),
        "rises": Claim(OURS, NOT_MEASURED),
    }
    made = table(claims, "Claims.")
    columns = {column.key: list(column.values) for column in made.columns}
    assert made.name == "claims" and columns["published"] == ["0.59", ""] and columns["source"] == ["published", "ours"]
    assert columns["measured"][0].replace("\u00a0", " ") == "51.0 ± 2.5 points" and columns["measured"][1] == ""
    assert columns["verdict"] == [HOLDS, NOT_MEASURED]
    assert SAID.rule in made.to_csv() and SAID.rule not in made.to_html() + made.to_latex()
    # What is the same of all claims, or empty, has no column.
    assert [column.key for column in table({"rises": Claim(OURS, FAILS)}, "").columns] == ["claim", "verdict", "rule"]


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_is_counted(verdict):
    numbers = Numbers("mine")
    add_numbers(numbers, {"a": Claim(SAID, verdict), "b": Claim(SAID, verdict)})
    counts = {one: numbers(f"claims {one}").value for one in VERDICTS}
    assert counts == dict.fromkeys(VERDICTS, 0) | {verdict: 2}
    assert numbers.claim_a.value == verdict and numbers.claims.value == 2


def test_a_tally_counts_in_words():
    claims = {str(index): Claim(SAID, verdict) for index, verdict in enumerate([HOLDS, FAILS, FAILS, NOT_COMPARABLE])}
    assert tally(claims) == "Of 4 claims 1 holds, 2 do not hold and 1 cannot be compared here."
    assert tally({"a": Claim(SAID, UNDECIDED)}) == "Of 1 claim 1 is undecided here."
