"""How pages are rendered from templates."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache  # a template is compiled once
def environment(package: str) -> Environment:
    """Return the templates of a package: all values escaped, and one that is missing is an error."""
    loader = PackageLoader(package, "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
