"""Reports: tables, figures, numbers and one page, made from the run folder of a sweep or from its dataset."""

from analysis.reports._dataset import report
from analysis.reports._sweep import write

__all__ = ["report", "write"]
