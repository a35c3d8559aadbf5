"""Reports: tables, figures, numbers and one page, made from the run folder of a sweep."""

from analysis.reports.sweep import write

__all__ = ["write"]
