"""The loops in C and CUDA of this folder, compiled at run time for this machine."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC")
CUDA_FLAGS = ("-O3", "-use_fast_math", "-shared", "-Xcompiler", "-fPIC")


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
    return _loaded(compiler, *FLAGS, str(source(f"{name}.c")), "-lm")


@cache
def cuda_library(name: str, options: tuple[str, ...]) -> ctypes.CDLL:
    """Compile ``<name>.cu`` with nvcc and further options into a temporary folder and load it.

    Raises
    ------
    Unavailable
        If there is no nvcc, or it does not take the options.
    """
    toolkit = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin"
    compiler = shutil.which("nvcc") or shutil.which("nvcc", path=str(toolkit))
    if compiler is None:
        raise Unavailable(f"no nvcc on the path or in {toolkit}")
    return _loaded(compiler, *CUDA_FLAGS, *options, str(source(f"{name}.cu")))


def source(name: str) -> Path:
    """Return the path of a file of this folder."""
    return Path(__file__).with_name(name)


def _loaded(*command: str) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "built.so"
        done = subprocess.run([*command, "-o", str(built)], capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            raise Unavailable(f"{Path(command[0]).name} failed: {said[-1]}")
        # A loaded library needs no file.
        return ctypes.CDLL(str(built))
