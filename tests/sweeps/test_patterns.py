"""Patterns of paths: what they fit, and what they do not."""

import pytest

from sweeps import _patterns

FIT = [
    ("blocks/0/up", "blocks/*/up"),
    ("blocks/0/up", "**/up"),
    ("up", "**/up"),
    ("blocks/0/up", "blocks/**"),
    ("blocks/0/up", "**"),
    ("blocks/0/up", "blocks/[0-2]/u?"),
    ("blocks/0/up", "blocks/**/up"),
    ("blocks/up", "blocks/**/up"),
    ("blocks/10/up", "**/1*/up"),
    ("a[1]", "a[1]"),
    ("a[1]", "a[[]1]"),
    ("blocks/0", "blocks/[!1]"),
    ("a.b+c", "a.b+c"),
    ("a[b-a", "a[b-a"),
]
DO_NOT = [
    ("blocks/0/up", "*"),
    ("blocks/0/up", "*/up"),
    ("blocks/0/up", "blocks*up"),
    ("blocks/0/up", "blocks?0/up"),
    ("blocks/0/up", "blocks[!x]0/up"),
    ("blocks/0/upper", "**/up"),
    ("abc", "a.c"),
    ("a1", "a[1"),
    ("Up", "up"),
    ("a]", "a[b-a]"),
]


@pytest.mark.parametrize(("path", "pattern"), FIT)
def test_paths_that_fit(path, pattern):
    assert _patterns.fits(path, pattern)


@pytest.mark.parametrize(("path", "pattern"), DO_NOT)
def test_paths_that_do_not_fit(path, pattern):
    assert not _patterns.fits(path, pattern)


def test_the_hint_is_a_pattern_that_fits():
    assert _patterns.hint("*/up", ["blocks/0/up"]).endswith("did you mean '**/up'?")
    assert _patterns.hint("blocks/0", ["blocks/0/up"]) == "; did you mean 'blocks/0/**'?"
    assert _patterns.hint("up", ["blocks/0/up"]) == "; did you mean '**/up'?"
    assert _patterns.hint("*/down", ["blocks/0/up"]) == _patterns.hint("**/up", ["blocks/0/up"]) == ""
