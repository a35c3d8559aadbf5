"""How pages are rendered from templates."""

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


@cache  # a template is compiled once
def environment(package: str) -> Environment:
    """Return the templates of a package: all values escaped, and one that is missing is an error."""
    # Every page has the colours of the reports.
    loader = ChoiceLoader([PackageLoader(package, "templates"), PackageLoader("analysis._reports", "templates")])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
