"""Texts that quote numbers: they say what runs found and benchmarks measured, and nothing in them is typed by hand."""

import re

import pytest

from docs import texts

# What is a fact of a source or a setting, and no finding.
FACTS = (
    "95 % t-interval",
    "2-{{",
    "}}-2",
    "sqrt(2/pi)",
    "p = 0.25, 0.5 and 0.75",
    "p = 0.25",
    "p = 0.5",
    "after 5, 10 and 20 epochs",
    "784-1000-1000-500-200-10",
    "784-1000-10",
    "784-100-10",
    "784-50-50-10",
    "64-200-200-100-40-10",
    "read 70 to 75 % and just under 50 % off",
    "1 - (1 - k)^2",
    "2-50-50-2",
    "2-20-2",
    "2^20",
    "1,000 examples",
    "2,000 examples",
    "8,000 images of 784 pixels",
    "at 100 sparsities each, evaluated on 359 digits",
    "for 4 examples",
    "72 heads",
    "1,920 channels",
    "of 64 nodes",
    "ResNet18",
)


@pytest.mark.parametrize("template", texts.TEXTS)
def test_texts_say_what_runs_found_and_benchmarks_measured(template):
    held, found = texts.expected(template)
    assert held == found


@pytest.mark.parametrize("template", texts.TEXTS)
def test_no_finding_is_typed(template):
    text = (texts.HERE / template).read_text("utf-8")
    text = re.sub(r"\{%.*?%\}|`.*?`", "", text)
    for fact in FACTS:
        text = text.replace(fact, "")
    assert re.findall(r".{20}\d.{0,20}", re.sub(r"\{\{.*?\}\}", "", text)) == []


def test_the_readme_types_no_number_of_speed():
    text = re.sub(
        r"<!-- docs/speed_in_brief.md.jinja -->.*?<!-- end -->",
        "",
        texts.TOP.joinpath("README.md").read_text(),
        flags=re.S,
    )
    assert not re.findall(r"masks/s|\d ?x\b|faster", text)


def test_of_several_devices_the_newest_of_a_kind_counts(tmp_path, monkeypatch):
    stored = (
        '{"device": "D", "reports": {"sampled": {"measured": {"backend": "%s", "date": "%s", "versions": {"jax": 1}}}}}'
    )
    for name, backend, date in (("a", "cpu", "2026-02-01"), ("b", "cpu", "2026-01-01"), ("c", "gpu", "2025-01-01")):
        (tmp_path / f"{name}.json").write_text(stored % (backend, date))
    monkeypatch.setattr(texts, "RESULTS", tmp_path)
    assert texts.measured("cpu").name == "a" and texts.measured("gpu").name == "c" and texts.measured("tpu") is None
