"""The page of the public names, ``docs/reference/index.md``: ``python -m docs.names`` writes it from ``__all__``."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).with_name("reference") / "index.md"
_HEAD = """# Names

What users may rely on: the names below, their arguments by name, and what they return. Whatever else there is begins
with an underscore, or lies in a module whose name does, and may change.

What a function works on is positional; every option has its name: `sweeps.sweep(objective, design, seed=1)`.
"""


def modules(name: str) -> Iterator[ModuleType]:
    """Yield a public module and those below it."""
    module = importlib.import_module(name)
    yield module
    for below in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if not below.name.startswith("_"):
            yield from modules(f"{name}.{below.name}")


def public() -> dict[str, ModuleType]:
    """Return the public modules by name."""
    return {module.__name__: module for package in ("sweeps", "analysis") for module in modules(package)}


def page() -> str:
    """Write the page."""
    return _HEAD + "".join(_section(name, module) for name, module in public().items())


def _section(name: str, module: ModuleType) -> str:
    items = {key: getattr(module, key) for key in module.__all__ if not inspect.ismodule(getattr(module, key))}
    lines = [f"- `{key}`: {_line(thing)}\n" for key, thing in items.items() if _is_documented(thing)]
    values = [f"`{key}`" for key, thing in items.items() if not _is_documented(thing)]
    if values:
        lines.append(f"- constants: {', '.join(values)}\n")
    return f"\n## {name}\n\n{_line(module)}\n" + ("\n" + "".join(lines) if lines else "")


def _is_documented(thing: object) -> bool:
    return inspect.isclass(thing) or inspect.isroutine(inspect.unwrap(thing))  # type: ignore[arg-type]


def _line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0].replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
