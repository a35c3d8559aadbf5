"""The C loops of this folder, compiled at run time for this machine."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC")


class Unavailable(RuntimeError):
    """An alternative cannot run here; the message has the reason."""


@cache
def library(name: str) -> ctypes.CDLL:
    """Compile ``<name>.c`` into a temporary folder and load it.

    Raises
    ------
    Unavailable
        If there is no C compiler, or it does not take the flags.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Unavailable("no C compiler (cc, gcc or clang) on the path")
    source = Path(__file__).with_name(f"{name}.c")
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / f"{name}.so"
        command = [compiler, *FLAGS, str(source), "-o", str(built), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"the C compiler failed: {done.stderr.strip().splitlines()[-1]}")
        # A loaded library needs no file.
        return ctypes.CDLL(str(built))
