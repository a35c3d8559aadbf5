"""Values that a file may write in several ways, of which flags know the simplest; read before JAX is imported."""

from collections.abc import Callable, Collection
from pathlib import PurePath
from typing import Annotated, Any

import tyro
from pydantic import PlainValidator
from tyro.constructors import PrimitiveConstructorSpec

from sweeps import _checks, _importing

# Files of numbers, by their endings.
ENDINGS = (".npy", ".npz", ".csv")
# Keys of metrics.NAMED, which need JAX.
METRICS = ("accuracy", "kl", "logit_difference")
# Keys of a tie, and of a table of off values by its kind.
TIED = ("paths", "groups", "name", "each", "nodes")
OFF = {"mean": ("data", "positions"), "resample": ("data", "seed")}


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
    return type(value) is int and 1 <= value <= _checks.MOST


def _sites(value: Any) -> tuple[str, ...] | dict[str, Any]:
    if isinstance(value, dict):
        if not all(map(_is_groups, value.values())):
            raise ValueError('must give each pattern its number of groups, or [number, "name"]')
        return value
    found = _texts(value)
    if found is None:
        raise ValueError("must be a pattern, a list of patterns, or a table from patterns to numbers of groups")
    return found


def _is_groups(value: Any) -> bool:
    number, name = value if isinstance(value, list | tuple) and len(value) == 2 else (value, "")
    return _is_count(number) and isinstance(name, str)


def _tied(value: Any) -> tuple[dict[str, Any], ...]:
    ties = (value,) if isinstance(value, dict) else value
    if not isinstance(ties, tuple) or not all(isinstance(tie, dict) for tie in ties):
        raise ValueError("must be tables [[sweep.tied]]")
    for tie in ties:
        _check_keys(tie, TIED)
    return storable(ties)


def _check_keys(table: dict[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            near = _checks.meant(key, known)
            raise ValueError(f"must be a table with the keys {', '.join(known)}, not {key}{f' ({near})' * bool(near)}")


def _off(value: Any) -> Any:
    if isinstance(value, dict):
        return _off_table(value)
    numbers = isinstance(value, tuple) and all(_is_number(one) for one in value)
    if numbers or (isinstance(value, str) and (value in ("zero", *OFF) or _importing.parts(value) is not None)):
        return value
    raise ValueError(
        f"must be zero, {', '.join(OFF)}, {_importing.FORM}, a list of numbers, or a table with kind or with file"
    )


def _off_table(value: dict[str, Any]) -> dict[str, Any]:
    if "file" in value:
        _check_keys(value, ("file",))
        _file(value["file"])
        return value
    kind = value.get("kind")
    if kind not in OFF:
        raise ValueError(f"must have the key file, or the key kind, one of {', '.join(OFF)}")
    _check_keys(value, ("kind", *OFF[kind]))
    data = value.get("data", "train")
    if data != "train" and not (isinstance(data, str) and _importing.parts(data) is not None):
        raise ValueError(f"must have data that is train, for the training set, or {_importing.FORM}")
    if not isinstance(value.get("positions", True), bool):
        raise ValueError("must have positions that is true or false")
    if type(value.get("seed", 0)) is not int or not 0 <= value.get("seed", 0) < _checks.SEEDS:
        raise ValueError("must have a seed that is a whole number of 64 bits")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e38


def _metrics(value: Any) -> tuple[str, ...] | dict[str, str]:
    given = tuple(value.values()) if isinstance(value, dict) else value
    found = _texts(given)
    if found is None or not all(one in METRICS or _importing.parts(one) is not None for one in found):
        raise ValueError(
            f"must be names, among {', '.join(METRICS)} and {_importing.FORM}, or a table from names of yours to these"
        )
    return value if isinstance(value, dict) else found


def _optimizer(value: Any) -> Any:
    """Return an optimizer, a text or a table with a name, or a tuple of them; refuse anything else."""
    if value is None:
        return None
    for part in value if isinstance(value, tuple) and value else (value,):
        name = part.get("name") if isinstance(part, dict) else part
        if not isinstance(name, str) or (":" in name and _importing.parts(name) is None):
            raise ValueError(
                f"must be a name of Optax or {_importing.FORM}, a table with such a name, or a list of these"
            )
    return storable(value)


def _file(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and PurePath(value).suffix in ENDINGS):
        raise ValueError(f"must be the path of a file {', '.join(ENDINGS)}")
    return value


def _of(judged: Callable[[Any], Any], metavar: str, several: bool = False) -> Any:
    return Annotated[Any, PlainValidator(judged), _flag(metavar, several)]


Sites = _of(_sites, "PATTERN", several=True)
Off = _of(_off, "NAME")
Metrics = _of(_metrics, "NAME", several=True)
Optimizer = _of(_optimizer, "NAME")
File = _of(_file, "PATH")
Tied = Annotated[Any, PlainValidator(_tied), tyro.conf.Suppress]
