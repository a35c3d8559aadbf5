"""Checks that need environments of their own: other versions of Python, and the archives as a user installs them."""

from pathlib import Path

import nox

nox.options.error_on_missing_interpreters = True
nox.options.download_python = "never"
nox.options.default_venv_backend = "venv"

# Each JAX that pyproject.toml allows, with a Flax and an ArviZ of its age. JAX 0.11 needs Python 3.12, and Flax before
# 0.12.10 does not import with it.
STACKS = {
    "3.11": ("jax==0.10.*", "flax==0.12.8", "arviz==0.23.*"),
    "3.12": ("jax==0.11.*", "flax>=0.12.10", "arviz==1.*"),
    "3.13": ("jax==0.12.*", "flax>=0.12.10", "arviz==1.*"),
}


@nox.session(python=list(STACKS), reuse_venv=True)
def tests(session: nox.Session) -> None:
    """Run the test suite with the libraries that belong to a version of Python."""
    session.install("--editable", ".[test]", *STACKS[session.python])
    session.run("python", "-m", "pip", "list")
    session.run("pytest", *session.posargs)


@nox.session
@nox.parametrize("archive", ["*.whl", "*.tar.gz"], ids=["wheel", "sdist"])
def installed(session: nox.Session, archive: str) -> None:
    """Install what ``python -m build`` has made, and use it from a folder that is not the checkout."""
    [path] = Path("dist").glob(archive)
    program = Path("tests/installed.py").resolve()
    session.install(str(path.resolve()))
    session.chdir(session.create_tmp())
    alone = {"PYTHONPATH": None, "MYPYPATH": None, "PYTHONSAFEPATH": "1"}
    session.run("python", program, env=alone)
    session.install("mypy")
    session.run("python", program, "types", env=alone)
