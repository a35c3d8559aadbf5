"""Memory: peak resident memory of sweeps that keep a summary, from 1e5 to 1e8 masks, each in its own process."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

from benchmarks.report import Report, Table, Target

# Ratio of largest to smallest peak that counts as flat, for the noise of the allocator.
FLAT = 1.1


def run(quick: bool = False) -> Report:
    """Measure the peak memory of sweeps of growing size.

    Parameters
    ----------
    quick : up to 1e6 masks
    """
    title = 'Memory: 2-20-2, 1,000 examples, loss and gate gradients, keep="summary"'
    rows: list[list[Any]] = []
    for draws in (10**5, 10**6) if quick else (10**5, 10**6, 10**7, 10**8):
        done = subprocess.run([sys.executable, "-m", __name__, str(draws)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the sweep of {draws} masks ended with {done.returncode}: {done.stderr[-500:]}")
        found = json.loads(done.stdout)
        rows.append([draws, found["host"] / 2**20, found["device"] and found["device"] / 2**20, found["seconds"]])
    columns = ["masks", "peak resident, MiB", "peak on the device, MiB", "seconds with compilation"]
    growth = max(row[1] for row in rows) / min(row[1] for row in rows)
    return Report(
        title,
        [Table("", columns, rows)],
        [Target("largest peak against the smallest", growth, FLAT, False)],
        ["Resident memory is that of the whole process, Python and JAX with what they load included."],
        {},
    )


def measure(draws: int) -> dict[str, Any]:
    """Sweep in this process and return its peak memory in bytes, and the seconds taken."""
    import sweeps
    from benchmarks import problems
    from benchmarks.timing import seconds

    objective = problems.circle().objective
    design = sweeps.Bernoulli(probability=0.5, draws=draws)
    taken = seconds(lambda: sweeps.sweep(objective, design, keep="summary"))
    return dict(host=peak(), device=(jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use"), seconds=taken)


def peak() -> int:
    """Return the largest resident memory of this process so far, in bytes.

    On Linux from ``VmHWM``: ``ru_maxrss`` starts at the size of the process that started this one.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if found:
        return 1024 * int(found[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
