"""Prompts as words."""

import re


def tokenize(text: str) -> list[str]:
    """The words of ``text``, lower case, punctuation apart."""
    return re.findall(r"[a-z]+|[^\sa-z]", text.lower())
