"""The command in a process of its own, forked from one that has imported the package: seconds are saved each time."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from kill_thirty import FORKED

from flowedit_grag.cli import main


def forked(*words, cwd=None):
    """What ``flowedit-grag WORDS`` prints, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = FORKED.Process(target=_inside, args=([str(word) for word in words], cwd, out, err))
        process.start()
        process.join(240)
        process.kill()
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


def _inside(words, cwd, out, err):
    for stream, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
    if cwd is not None:
        os.chdir(cwd)
    sys.argv = ["flowedit-grag", *words]
    main.run()
