"""Hints: what to write for a head, an expert or a block, from the names and nodes of a network's sites."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sweeps._program import Site
from sweeps.gating._tying import common


def hints(sites: Sequence[Site]) -> list[str]:
    """Return lines such as ``a gate for each of blocks/*, on all that leaves it: sites=...``, for what the sites have.

    Parameters
    ----------
    sites : sequence of Site
        Of a network, in program order.
    """
    able = [
        # A loop over layers is like a list of them: named after the first.
        replace(site, path=site.copies[0])
        for site in sites
        if not site.reason and site.path.partition(":")[0] not in ("stream", "inputs")
    ]
    lines = [*_of_heads(able), *_of_stacks(able), *_of_blocks(able)]
    return [f"{what}: sites={how}" for what, how in lines]


def _of_heads(sites: Sequence[Site]) -> Iterable[tuple[str, str]]:
    for head in _first_of_each([site for site in sites if site.kind == "head"]):
        beside = [site for site in sites if site.kind != "head" and _is_beside(site, head)]
        parts = [site for site in beside if site.heads or "attention" in site.reads.split(", ")]
        if not parts:
            continue
        groups = min(site.heads for site in (head, *parts) if site.heads)
        shares = groups < head.nodes
        names = [site.path + " unit" * (site.path == head.path) for site in parts]
        names.append(head.path + " head" * any(site.path == head.path for site in parts))
        above = _star(common([head.path, *[site.path for site in parts]]))
        what = (
            "a gate for the queries that share a key, with it" if shares else "a gate for a head with all that makes it"
        )
        yield what, _tied(names, groups, "group" if shares else "head", above if "*" in above else None)


def _of_stacks(sites: Sequence[Site]) -> Iterable[tuple[str, str]]:
    """Yield ties of layers whose kernels hold several in one, as of experts."""
    stacked = [site for site in sites if len(site.shape) > 1 and site.kind == "unit" and not site.heads]
    for first in _first_of_each(stacked):
        beside = [one for one in stacked if one.shape[0] == first.shape[0] and _is_beside(one, first)]
        if beside[0] is first:
            above = _star(common([site.path for site in beside]))
            names = [site.path for site in beside]
            yield (
                f"a gate for each of {first.shape[0]} parts of a kernel, such as experts",
                _tied(names, first.shape[0], "expert", above if "*" in above else None),
            )


def _of_blocks(sites: Sequence[Site]) -> Iterable[tuple[str, str]]:
    """Yield a tie of what leaves the members of a list of layers with several layers each."""
    stars: dict[str, list[Site]] = {}
    for site in sites:
        for path in site.copies:
            at = re.match(r"(.*?(?:^|[/_]))\d+/", path)
            if at:
                stars.setdefault(f"{at[1]}*", []).append(site)
    for each, own in stars.items():
        leaving = [site for site in own if site.kind != "head" and _leaves(site, each)]
        names = list(dict.fromkeys(_star(site.path) for site in leaving))
        if names and len({site.path for site in own}) > len(names):
            yield f"a gate for each of {each}, on all that leaves it", _tied(names, 1, "block", each)


def _leaves(site: Site, each: str) -> bool:
    """Whether something outside a member of a list reads a site."""
    within = re.match(re.escape(each).replace(r"\*", r"\d+") + "/", site.path)
    # The readers of a loop's layers are named without a number.
    prefix = each.removesuffix("*") if site.stack else within[0] if within else ""
    return not all(reader.startswith(prefix) or reader == "attention" for reader in site.reads.split(", "))


def _tied(names: Sequence[str], groups: int, name: str, each: str | None) -> str:
    paths = ", ".join(f'"{path}"' for path in dict.fromkeys(map(_star, names)))
    return f'sweeps.Tied({paths}, groups={groups}, name="{name}"' + (f', each="{each}")' if each else ")")


def _star(path: str) -> str:
    """Put a star for each number that is a level of a path, or ends one."""
    return "/".join(re.sub(r"(^|_)\d+$", r"\1*", level) for level in path.split("/"))


def _is_beside(site: Site, other: Site) -> bool:
    """Whether two sites are in one layer: of paths that differ in the last level at most."""
    above = other.path if site.path.startswith(f"{other.path}/") else other.path.rpartition("/")[0]
    return site.path.rpartition("/")[0] == above


def _first_of_each(sites: Iterable[Site]) -> list[Site]:
    return list({_star(site.path): site for site in reversed(list(sites))}.values())[::-1]
