"""The interactive page: one HTML file in which a network's nodes are switched on and off, computed in the browser."""

from os import PathLike
from pathlib import Path

from markupsafe import Markup

from analysis import runs
from analysis._explorer.data import Explorable, collect
from analysis._places import Address, Place, made_in
from analysis._templates import environment

#: The page's script, in this order one module.
SCRIPTS = ("network.js", "maps.js", "distribution.js", "explorer.js")

NAME = "explorer.html"

__all__ = ["Explorable", "collect", "explore", "to_html"]


def to_html(explorable: Explorable) -> str:
    """Render the page; everything it needs is inside it.

    Parameters
    ----------
    explorable : Explorable

    Returns
    -------
    str
    """
    templates = environment("analysis._explorer")
    templates.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}

    def source(name: str) -> Markup:
        # As it is: braces of a style sheet or a script are no template syntax.
        return Markup(Path(__file__).with_name("templates").joinpath(name).read_text(encoding="utf-8"))

    return templates.get_template("explorer.html.jinja").render(
        page=explorable,
        data=explorable.to_json(),
        style=source("explorer.css"),
        script=Markup("\n").join(map(source, SCRIPTS)),
    )


def explore(folder: str | PathLike[str] | Address, *, network: int = 0) -> Place:
    """Write the interactive page of a run, on which nodes are switched on and off.

    It shows networks of dense layers with a gate on every hidden node, and evaluates them in the browser.

    Parameters
    ----------
    folder : str or os.PathLike
        The run folder; ``explorer.html`` in it is written anew.
    network : int
        Number of the network, where the run has several from different seeds.

    Returns
    -------
    pathlib.Path
        The page, one file that needs no network.

    Raises
    ------
    FileNotFoundError
        If there is no run in the folder.
    ValueError
        If the store cannot be read, or the network, its gates or its loss are not of the kind that the page shows.

    See Also
    --------
    report : Tables, figures and a page of what was measured.
    analysis.runs.open_run : Reads the run.

    Examples
    --------
    Of a run folder that ``sweeps study circle`` made:

    >>> import analysis
    >>> analysis.explore("runs/circle")  # doctest: +SKIP
    PosixPath('runs/circle/explorer.html')
    """
    run = runs.open_run(folder)
    page = to_html(collect(run, network))
    with made_in(run.folder) as made:
        (made / NAME).write_text(page, encoding="utf-8", errors="backslashreplace", newline="\n")
    return run.folder / NAME
