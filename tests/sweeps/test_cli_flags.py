"""The command line's flags: names agree with help, shells complete them, and an unknown one names the nearest."""

import re
import subprocess
import sys

import pytest

import sweeps
from sweeps import _cli
from sweeps._cli import parsing
from tests.sweeps.conftest import without_jax
from tests.sweeps.test_cli import refused


def options(found=None, name="sweeps"):
    """Every option of every command, with the command's name."""
    found = parsing.specification() if found is None else found
    yield from ((name, option) for option in found["options"] if "--help" not in option["flags"])
    for word, command in found["subcommands"].items():
        yield from options(command, f"{name} {word}")


class TestFlags:
    def test_a_flag_without_a_value_does_what_its_help_says(self):
        """Whatever can be on by default has two names, and the help says what the first of them does."""
        switches = [(name, one) for name, one in options() if one["type"] in ("flag", "boolean")]
        assert {one["type"] for _, one in switches} == {"flag", "boolean"}
        for name, one in switches:
            first, *opposite = one["flags"]
            said = f"{name} {first}: {one['description']}"
            assert not re.search(r"(--|\.)no-", first), said
            assert opposite == ([re.sub(r"(--(\w+\.)?)", r"\1no-", first, count=1)] if opposite else []), said
            assert opposite or one["description"].endswith("(default: False)"), said
            assert not re.match(r"(Whether|No|Not|Leave|Without|Do not)\b", one["description"]), said

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ("study circle --drws 3", "--drws is no option of sweeps study circle; did you mean --draws?"),
            ("run --sweep.gradiens --out a b", "is no option of sweeps run; did you mean --sweep.gradients?"),
            ("run a --out=b --xyz=3", "--xyz is no option of sweeps run; see sweeps run --help"),
            ("--nodes 3", "--nodes is no option of sweeps; see sweeps --help"),
        ],
    )
    def test_an_unknown_flag_names_the_nearest(self, words, message, monkeypatch, tmp_path, capsys):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "a").touch()
        assert message in refused(capsys, *words.split())

    def test_a_file_can_switch_off_what_a_flag_switches_on_again(self, tmp_path, monkeypatch):
        (tmp_path / "sweep.toml").write_text("[sweep]\ngradients = false\n")
        words = ["run", str(tmp_path / "sweep.toml"), "--out", "runs/a"]
        assert not parsing.command_of(words).keywords["settings"].sweep.gradients
        assert parsing.command_of([*words, "--sweep.gradients"]).keywords["settings"].sweep.gradients


class TestProgram:
    def test_the_module_is_the_command(self):
        code = "import runpy, sys\nsys.argv[1:] = ['--version']\nrunpy.run_module('sweeps', run_name='__main__')\n"
        assert without_jax(code) == f"gatesweep {sweeps.__version__}\n"

    def test_the_module_calls_itself_sweeps(self):
        done = subprocess.run([sys.executable, "-m", "sweeps", "--help"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout.startswith("usage: sweeps ")


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The completion of bash, made where JAX cannot be imported."""
    path = tmp_path_factory.mktemp("completion") / "sweeps.bash"
    path.write_text(without_jax("from sweeps._cli import main\nmain(['completion', 'bash'])"))
    return path


class TestCompletion:
    @pytest.mark.parametrize(
        ("line", "completed"),
        [
            ("sweeps st", {"study"}),
            ("sweeps study s", {"shrinking", "sparsity", "spiral"}),
            ("sweeps study circle --dr", {"--draws"}),
            ("sweeps study circle --boundary ", {"text", "code"}),
            ("sweeps run a.toml --sweep.no-", {"--sweep.no-gradients"}),
            ("sweeps export --o", {"--out"}),
            # A folder, which the shell itself completes.
            ("sweeps report ru", set()),
        ],
    )
    def test_bash_completes(self, script, line, completed):
        words = line.split(" ")
        code = (
            f'source "$0"; COMP_WORDS=({" ".join(map(repr, words))}); COMP_CWORD={len(words) - 1}; '
            'set -- $(complete -p sweeps); while [[ "$1" != -F ]]; do shift; done; "$2"; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-c", code, str(script)], capture_output=True, text=True, timeout=60)
        assert set(done.stdout.split()) == completed and not done.stderr

    @pytest.mark.parametrize("shell", ["zsh", "fish"])
    def test_other_shells_have_a_script(self, shell, capsys):
        _cli.main(["completion", shell])
        assert "--sweep.no-gradients" in capsys.readouterr().out
