"""Every kind of hostile judge, once; the long version is ``python -m tests.fuzz judges``."""

import random
from contextlib import suppress
from mmap import mmap

import pytest

pytest.importorskip("openai")
from flowedit_grag.errors import InputError

from .hostile_servers import KINDS
from .judges import peak, try_kind


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_judge_costs_little_and_decides_nothing_in_silence(kind):
    with suppress(InputError):
        try_kind(kind, random.Random(kind))


def test_what_is_measured_is_what_was_taken():
    before = peak(afresh=True)
    with mmap(-1, 50_000_000) as taken:  # new pages, whatever the process has freed
        taken.write(bytes(50_000_000))
        assert peak() - before > 45_000_000
