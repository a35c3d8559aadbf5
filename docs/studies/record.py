"""Record what the studies found: the numbers of their runs, pictures, and the texts that quote them.

``python -m docs.studies.record runs`` takes the reports in ``runs/circle``, ``runs/shrinking`` and so on, which were
made with default settings, and writes ``docs/studies/*.tex`` and ``*.png`` and the texts anew. ``make studies`` runs
them all before.
"""

import shutil
import sys
from pathlib import Path

from docs import texts

HERE = Path(__file__).parent
#: Studies, with the figure of each that is shown.
PICTURES = {
    "circle": "log_loss_density",
    "shrinking": "removal_1",
    "sparsity": "curves",
    "spiral": "pictures",
    "relevance": "heat",
}


def main(folder: Path) -> None:
    """Copy numbers and pictures of the runs in a folder, and write the texts."""
    for study, picture in PICTURES.items():
        shutil.copyfile(folder / study / "numbers.tex", HERE / f"{study}.tex")
        shutil.copyfile(folder / study / "figures" / f"{picture}.png", HERE / f"{study}.png")
    texts.write()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
