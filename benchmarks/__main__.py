"""Command line of the benchmarks: python -m benchmarks [names] [--quick] [--out folder]."""

import argparse
import os
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

NAMES = ("sampled", "kept", "cube", "dense", "wide", "models", "paths", "ranking", "pruning", "scaling", "memory")
# Those with targets for accelerators, which take a few minutes on one.
ACCELERATOR = "accelerator"
OF_ACCELERATOR = ("sampled", "kept", "cube", "dense", "wide", "paths")
WHICH = (
    f"which, of {', '.join(NAMES)}; all by default; {ACCELERATOR}: those with targets for accelerators, which are "
    f"{', '.join(OF_ACCELERATOR)}"
)
RESULTS = Path(__file__).with_name("results")


def main(arguments: list[str] | None = None) -> None:
    """Run the named benchmarks; print and store their results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split(":")[0])
    parser.add_argument("names", nargs="*", metavar="name", help=WHICH)
    parser.add_argument("--quick", action="store_true", help="a smoke run in small sizes, stored only with --out")
    parser.add_argument("--out", type=Path, help=f"where results go, by default {RESULTS.parent.name}/{RESULTS.name}")
    chosen = parser.parse_args(arguments)
    names = {one for name in chosen.names for one in (OF_ACCELERATOR if name == ACCELERATOR else (name,))}
    if unknown := names - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join((*NAMES, ACCELERATOR))}")
    folder = chosen.out or (None if chosen.quick else RESULTS)
    # JAX would reserve most of a GPU's memory, of which PyTorch needs some.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # Imports JAX; --help does not wait for it.
    from benchmarks import machine, report

    described = machine.describe()
    print(f"# {described['device']}\n")
    if chosen.quick:
        print("A smoke run: its sizes are too small for the targets.\n")
    failed = []
    for name in [name for name in NAMES if name in (names or NAMES)]:
        start, before = time.perf_counter(), machine.load()
        try:
            result = report.as_json(import_module(f"benchmarks.{name}").run(quick=chosen.quick))
        except Exception:  # the others go on
            traceback.print_exc()
            failed.append(name)
            continue
        seconds = time.perf_counter() - start
        result["measured"] = described | dict(load=[before, machine.load()], seconds=seconds)
        print(f"{report.as_text(result)}\n\n{report.measured_with(result['measured'])}\n", flush=True)
        if folder:
            path = report.save(folder, described, name, result)
            print(f"Stored in {path}\n", file=sys.stderr)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
