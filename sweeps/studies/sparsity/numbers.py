"""All tables and the LaTeX macros of the sparsity study."""

from collections.abc import Callable

from analysis.numbers import Numbers
from analysis.tables import Table
from sweeps.studies.sparsity import comparisons, tables
from sweeps.studies.sparsity.measures import DROPS, KINDS, MAIN_DROP, PUBLISHED, Interval, interval, methods
from sweeps.studies.sparsity.results import Results
from sweeps.studies.sparsity.tables import of


def all_tables(results: Results) -> dict[str, Table]:
    """Make every table of the study, by name."""
    makers: list[Callable[[Results], Table | None]] = [tables.claims, tables.curves, tables.plateaus]
    makers += [tables.equal, tables.epochs, comparisons.heuristics, comparisons.scopes, comparisons.layers]
    makers += [comparisons.finetuned, comparisons.cost]
    made = [make(results) for make in makers]
    return {table.name: table for table in made if table is not None}


def numbers(results: Results) -> Numbers:
    """Collect every number that a paper on the study would quote."""
    macros = Numbers("sparsity")

    def add(name: str, one: Interval, factor: float = 1.0) -> None:
        found = one.times(factor)
        macros.add(name, found.mean, comment=f"mean over {found.networks} networks")
        macros.add(f"{name} half width", found.half, digits=2, comment="half of the 95 % t-interval")

    macros.add("networks", results.networks)
    for one in methods(results.curves):
        for drop in DROPS:
            add(f"{one.key} end {1000 * drop:g} permille", of(results.numbers, "end", one.key, drop))
        add(f"{one.key} mean accuracy", of(results.numbers, "mean_accuracy", one.key), 100)
    for kind in KINDS:
        for count in results.epochs:
            ends = results.summary["end"].sel({"pruned_by": PUBLISHED[kind], "epochs": count, "fall": MAIN_DROP})
            add(f"{kind} end after {count} epochs", interval(ends.values))
        gone = results.equal.numbers["end"].sel(kind=kind, fall=MAIN_DROP)
        add(f"{kind} end in weights gone", interval(gone.values))
    for name in ("equal_percent", "equal_weights"):
        values = results.claims[name].values
        add(f"{name} end difference", values["end"]["difference"])
        add(f"{name} mean difference", values["mean"]["difference"], 100)
    for name, claim in results.claims.items():
        macros.add(f"claim {name}", claim.verdict)
    if results.finetuned is not None and results.finetuned_summary is not None:
        for one in methods(results.finetuned):
            add(f"finetuned {one.key} end", of(results.finetuned_summary, "end", one.key, MAIN_DROP))
            add(f"finetuned {one.key} mean accuracy", of(results.finetuned_summary, "mean_accuracy", one.key), 100)
    if results.cost is not None:
        last = results.cost.isel(percent=-1)
        for how in ("zeroed", "removed"):
            macros.add(f"time {how} over whole", float(last["of_full"].sel(how=how)), digits=3)
    return macros
