"""Reports: tables, figures, numbers and one page, made from the run folder of a sweep or from its dataset."""

from analysis._reports.dataset import report
from analysis._reports.sweep import write

__all__ = ["report", "write"]
