"""How the command line ends when something goes wrong that nobody expected, and when it is stopped."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from flowedit_grag.cli import crash, main
from flowedit_grag.lab import export

SECRETS = ["hf_abcdefghijklmnop", "sk-proj-0123456789abcdef", "letmein77", "pa55word", "s3cr3t-value-of-env"]


@pytest.fixture
def ended(tmp_path, monkeypatch, capsys):
    """What is said, and what is in the file, when a command raises ``error``."""

    def of(error, *words):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setattr(sys, "argv", ["flowedit-grag", "methods", *words])
        monkeypatch.setattr(main, "app", lambda: (_ for _ in ()).throw(error))
        with pytest.raises(SystemExit) as ending:
            main.run()
        return ending.value.code, capsys.readouterr().err, [path.read_text() for path in tmp_path.iterdir()]

    return of


def test_an_unexpected_exception_is_a_sentence_and_a_file(ended):
    code, said, files = ended(AttributeError("'NoneType' object has no attribute 'x'"))
    assert code == 70
    assert said.count("\n") == 1
    assert re.fullmatch(
        r"error: AttributeError, which is a mistake of flowedit-grag .* the file \S+\.txt, .*\.\n", said
    )
    (file,) = files
    for part in ("flowedit-grag methods", "Traceback", "'NoneType' object has no", "torch 2.", "Python 3.", "Linux"):
        assert part in file


def test_the_file_has_no_secrets(ended, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRETS[4])
    words = ["--judge", f"openai:m@https://me:{SECRETS[3]}@host/v1?k={SECRETS[2]}", f"token={SECRETS[2]}", SECRETS[0]]
    _, said, (file,) = ended(KeyError(f"asked with {SECRETS[1]} and {SECRETS[4]}"), *words)
    for secret in SECRETS:
        assert secret not in file + said
    assert "openai:m@https://***@host/v1?***" in file


def test_where_no_file_can_be_written_the_traceback_is_shown(ended, monkeypatch, tmp_path):
    monkeypatch.setattr(crash.tempfile, "mkstemp", lambda **_: (_ for _ in ()).throw(OSError(28, "No space left")))
    code, said, files = ended(KeyError(f"asked with {SECRETS[1]}"))
    assert (code, files) == (70, [])
    assert SECRETS[1] not in said
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("error: KeyError, which is a mistake of flowedit-grag")


def test_a_command_that_raises_ends_so_through_typer(monkeypatch, capsys, tmp_path):
    """``EOFError`` too, which typer would take for the end of what is typed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for error in (EOFError("no more data"), RecursionError("too deep"), ZeroDivisionError("by zero")):
        monkeypatch.setattr(export, "write_edit", lambda *_, e=error: (_ for _ in ()).throw(e))
        monkeypatch.setattr(sys, "argv", ["flowedit-grag", "scene", "-o", str(tmp_path / "new")])
        with pytest.raises(SystemExit) as ending:
            main.run()
        assert ending.value.code == 70
        said = capsys.readouterr().err.splitlines()
        assert said[-1].startswith(f"error: {type(error).__name__}, ")


def test_ctrl_c_is_a_sentence_and_130(tmp_path):
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which those begun in the background ignore
        "from flowedit_grag.cli import main\n"
        "from flowedit_grag.lab import export\n"
        "export.write_edit = lambda *_: (print('began', flush=True), time.sleep(60))\n"
        "main.run()\n"
    )
    words = [sys.executable, "-c", code, "scene", "-o", str(tmp_path / "new")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout.readline() == "began\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == main.STOPPED
    assert list(tmp_path.iterdir()) == []
