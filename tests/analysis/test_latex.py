"""LaTeX: a minimal document that inputs every table and uses every number compiles."""

import re
import shutil
import subprocess

import pytest

TEX = next(filter(None, map(shutil.which, ("pdflatex", "xelatex", "lualatex"))), None)


@pytest.fixture(scope="module")
def document(written_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    shutil.copytree(written_run / "tables", folder / "tables")
    shutil.copy(written_run / "numbers.tex", folder)
    macros = re.findall(r"\\newcommand\{(\\[A-Za-z]+)\}", (folder / "numbers.tex").read_text(encoding="utf-8"))
    tables = sorted(path.name for path in (folder / "tables").glob("*.tex"))
    lines = [
        r"\documentclass{article}",
        r"\usepackage{booktabs}",
        r"\input{numbers.tex}",
        r"\begin{document}",
        *(f"{macro}\\par" for macro in macros),
        *(f"\\begin{{table}}\\input{{tables/{name}}}\\end{{table}}\\clearpage" for name in tables),
        r"\end{document}",
    ]
    (folder / "paper.tex").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_tables_are_balanced_and_have_one_number_of_columns(document):
    for path in (document / "tables").glob("*.tex"):
        text = path.read_text(encoding="utf-8")
        columns = len(re.search(r"begin\{tabular\}\{([lrc]+)\}", text)[1])
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert rows and {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {columns - 1}, path.name
        assert text.count("{") == text.count("}"), path.name
        assert not re.search(r"(?<!\\)[#_]|(?<!\\)%(?=.*\\\\$)", "\n".join(rows)), path.name


@pytest.mark.skipif(TEX is None, reason="no TeX: none of pdflatex, xelatex, lualatex is installed")
def test_a_minimal_document_compiles(document):
    done = subprocess.run(
        [TEX, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], cwd=document, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (document / "paper.pdf").stat().st_size > 10_000
