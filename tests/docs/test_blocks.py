"""The executor of the documentation's code: what it runs, compares, refuses and writes."""

import textwrap

import pytest

from docs import blocks


@pytest.fixture
def page(tmp_path):
    """Write a page, in which ''' stands for a fence."""

    def written(text):
        path = tmp_path / "page.md"
        path.write_text(textwrap.dedent(text).replace("'''", "```"), "utf-8")
        return path

    return written


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


PAGE = """\
    '''python title="mine.py"
    def value():
        return 0.512
    '''

    '''python
    import mine
    value = mine.value()
    '''

    '''python
    print("value", value, 12)
    '''

    '''text
    value {shown}
    '''
    """


@pytest.mark.parametrize("shown", ["0.512 12", "0.51 12", "0.52   12", "5.1e-1 12"])
def test_numbers_may_differ_in_what_machines_do_not_share(page, folder, shown):
    assert blocks.check(page(PAGE.format(shown=shown)), folder) == []


@pytest.mark.parametrize("shown", ["0.53 12", "0.512 13", "-0.512 12", "0.512 12 0", "nan 12"])
def test_other_numbers_are_found(page, folder, shown):
    (found,) = blocks.check(page(PAGE.format(shown=shown)), folder)
    assert found.startswith("page.md:12: shows")


def test_words_must_be_the_same():
    assert blocks.differences("a 1.5 b", "a 1.5 c") is not None
    assert blocks.differences("[1.50  2.5]", "[1.5 2.50]") is None


WRONG = {
    "'''python\nprint(1)\n'''\n": "no output is shown",
    "'''python\nprint(1)\n'''\n\nWords.\n\n'''\n1\n'''\n": "no output is shown",
    "Words.\n\n'''text\n1\n'''\n": "must stand directly behind its code",
    "'''python\na = 1\n'''\n\n'''\n1\n'''\n": "but prints",
    "'''pyton\nprint(1)\n'''\n": "got 'pyton'",
    "'''python\na = 1\n'''\n\n![A](a.png)\n": "draws nothing",
    "'''python\nfrom matplotlib.figure import Figure\nFigure()\n'''\n\n![A](a.png)\n": "is empty",
    "'''python\nimport matplotlib.pyplot as plt; plt.figure()\n'''\n\n![A](a.png)\n": "is empty",
}


@pytest.mark.parametrize("text", WRONG, ids=WRONG.values())
def test_faults_are_found(page, folder, text):
    assert WRONG[text] in " ".join(blocks.check(page(text), folder))


def test_configurations_are_read(page, folder):
    text = "'''python title=\"mine.py\"\ndef build(): ...\n'''\n\n'''toml\nnetwork.build = \"mine:{}\"\n'''\n"
    assert blocks.check(page(text.format("build")), folder) == []
    with pytest.raises(ValueError, match="module mine has no built; did you mean build"):
        blocks.check(page(text.format("built")), folder)
    with pytest.raises(ValueError, match="task, network, training, sweep, got 'sweeps'"):
        blocks.check(page("'''toml\n[sweeps]\n'''\n"), folder)


def test_outputs_and_pictures_are_written(page, folder):
    text = """\
        1.  A list.

            '''python
            import matplotlib.pyplot as plt
            print("two", 2.5)
            plt.plot([1, 2])
            '''

            '''text
            one
            '''

            ![A line](images/line.png)

        '''python
        for i in range(2):
            print(i)
        '''

        Words.
        """
    path = page(text)
    blocks.write(path, folder)
    expected = textwrap.dedent(text).replace("one\n", "two 2.5\n")
    expected = expected.replace("Words", "'''text\n0\n1\n'''\n\nWords").replace("'''", "```")
    assert path.read_text("utf-8") == expected
    assert (path.parent / "images" / "line.png").stat().st_size < 20_000
    assert blocks.check(path, folder) == []
