"""Values that a file may write in several ways, of which flags know the simplest; read before JAX is imported."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import PlainValidator
from tyro.constructors import PrimitiveConstructorSpec

from sweeps import checks, importing

# Files of numbers, by their endings.
ENDINGS = (".npy", ".npz", ".csv")


def storable(value: Any) -> Any:
    """Refuse what cannot be written down with the run, such as TOML's dates."""
    if isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            storable(each)
    elif not isinstance(value, str | int | float):
        raise ValueError("must hold texts, numbers, true, false, lists and tables only")
    return value


def _flag(metavar: str, several: bool) -> PrimitiveConstructorSpec[Any]:
    """Return how a flag is read: as one text or several; tables are for the file alone."""

    def shown(value: Any) -> list[str]:
        parts = value if isinstance(value, list | tuple) else [value]
        return ["(as the file says)"] if any(isinstance(part, dict) for part in parts) else [str(one) for one in parts]

    return PrimitiveConstructorSpec(
        nargs="*" if several else 1,
        metavar=f"[{metavar} [{metavar} ...]]" if several else metavar,
        instance_from_str=tuple if several else lambda texts: texts[0],
        is_instance=lambda value: True,
        str_from_instance=shown,
    )


def _texts(value: Any) -> tuple[str, ...] | None:
    """Return a text, or several, as a tuple; None for anything else."""
    parts = (value,) if isinstance(value, str) else value
    return parts if isinstance(parts, tuple) and all(isinstance(part, str) for part in parts) else None


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= checks.MOST


def _sites(value: Any) -> tuple[str, ...] | dict[str, int]:
    if isinstance(value, dict):
        if not all(map(_is_count, value.values())):
            raise ValueError("must give each pattern its number of groups, a whole number of at least 1")
        return value
    found = _texts(value)
    if found is None:
        raise ValueError("must be a pattern, a list of patterns, or a table from patterns to numbers of groups")
    return found


def _optimizer(value: Any) -> Any:
    """Return an optimizer, a text or a table with a name, or a tuple of them; refuse anything else."""
    if value is None:
        return None
    for part in value if isinstance(value, tuple) and value else (value,):
        name = part.get("name") if isinstance(part, dict) else part
        if not isinstance(name, str) or (":" in name and importing.parts(name) is None):
            raise ValueError(
                f"must be a name of Optax or {importing.FORM}, a table with such a name, or a list of these"
            )
    return storable(value)


def _file(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and PurePath(value).suffix in ENDINGS):
        raise ValueError(f"must be the path of a file {', '.join(ENDINGS)}")
    return value


def _of(judged: Callable[[Any], Any], metavar: str, several: bool = False) -> Any:
    return Annotated[Any, PlainValidator(judged), _flag(metavar, several)]


Sites = _of(_sites, "PATTERN", several=True)
Optimizer = _of(_optimizer, "NAME")
File = _of(_file, "PATH")
