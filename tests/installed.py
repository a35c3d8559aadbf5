"""A program that uses the installed package as a user does, far from the checkout; ``make dist`` runs it."""

import re
import subprocess
import sys
from importlib.metadata import metadata, version
from pathlib import Path

HERE = Path(sys.prefix)
STUDY = [
    "--nodes",
    "4",
    "--epochs",
    "2",
    "--train-examples",
    "64",
    "--test-examples",
    "32",
    "--draws",
    "16",
    "--paths",
    "4",
    "--networks",
    "1",
    "--out",
    "runs/circle",
]
# A mistake that a type checker finds only where it sees the types of the package.
TYPES = """
import analysis
import sweeps

reveal_type(sweeps.sweep)
reveal_type(analysis.lognormal.fit)
sweeps.Bernoulli(draws="many")
"""


def run(*command: str) -> str:
    """Return what a command of the environment prints; it must end well."""
    done = subprocess.run([HERE / "bin" / command[0], *command[1:]], capture_output=True, text=True)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def check_metadata() -> None:
    """The version is the package's own, and the description has no link into a repository."""
    import sweeps

    assert version("gatesweep") == sweeps.__version__
    description = metadata("gatesweep").get_payload()
    assert "sweeps.Objective(" in description
    assert not re.findall(r"\]\((?!https?:|#)", description)


def check_python() -> None:
    """A small sweep, its page and a fit, with every module of the two packages from the environment."""
    import analysis
    import sweeps

    task = sweeps.tasks.circle(train_examples=32, test_examples=16)
    objective = sweeps.Objective(sweeps.MLP((2, 4, 2), seed=0), task.test)
    data = sweeps.sweep(objective, sweeps.Bernoulli(probability=0.5, draws=32), seed=0)
    assert analysis.lognormal.fit(data.loss.sel(probability=0.5)).count == 32
    assert analysis.report(data, "runs/page").exists()
    for name, module in sys.modules.items():
        if name.split(".")[0] in ("sweeps", "analysis"):
            assert HERE in Path(module.__file__).parents, f"{name} comes from {module.__file__}"


def check_commands() -> None:
    """The commands, with a study from its training to its interactive page."""
    assert "explore" in run("sweeps", "--help") and "circle" in run("sweeps", "study", "--help")
    run("sweeps", "study", "circle", *STUDY)
    run("sweeps", "report", "runs/circle")
    run("sweeps", "explore", "runs/circle")
    made = {path.name for path in Path("runs/circle").iterdir()}
    assert {"run.zarr", "tables", "figures", "numbers.tex", "report.html", "explorer.html"} <= made


def check_types() -> None:
    """A user's type checker sees the types of both packages, and finds a mistake by them."""
    Path("program.py").write_text(TYPES, "utf-8")
    found = subprocess.run([sys.executable, "-m", "mypy", "program.py"], capture_output=True, text=True).stdout
    revealed = re.findall(r'Revealed type is "(.*)"', found)
    assert len(revealed) == 2 and all("def (" in one and "Dataset" in found for one in revealed), found
    assert "[arg-type]" in found and "Found 1 error" in found, found


if __name__ == "__main__":
    if sys.argv[1:] == ["types"]:
        check_types()
    else:
        check_metadata()
        check_python()
        check_commands()
