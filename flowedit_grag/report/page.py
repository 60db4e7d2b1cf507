"""The page: one HTML file that asks for nothing else, whatever is written in prompts and ids."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from .comparison import Comparison
from .figures import Figure
from .tables import Table


@dataclass(frozen=True)
class Section:
    """What the page shows of a comparison; ``name`` is unique, and safe in HTML's ``id``."""

    name: str
    comparison: Comparison
    tables: Sequence[Table]
    figures: Sequence[Figure]
    samples: Sequence[Mapping[str, Any]]


def page(sections: Sequence[Section], side: int) -> str:
    """The page of ``sections``, whose pictures are at most ``side`` pixels wide and high."""
    loader = PackageLoader(__package__)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # metrics stay in the order of the table
    environment.filters |= {"svg": _svg, "yaml": _yaml}
    style, script = (loader.get_source(environment, f"page.{ending}")[0] for ending in ("css", "js"))
    runs = [run for section in sections for run in section.comparison.runs]
    return environment.get_template("page.html").render(
        sections=sections, side=side, version=__version__, runs=runs, title=", ".join(run.name for run in runs),
        style=Markup(style), script=Markup(script), allowed={"style": _hash(style), "script": _hash(script)},
    )  # fmt: skip


def _hash(content: str) -> str:
    """What a content security policy knows a script or style by: none but ours runs."""
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"


def _svg(figure: Figure) -> str:
    return f"data:image/svg+xml;base64,{b64encode(figure.files['svg']).decode()}"


def _yaml(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(json.loads(json.dumps(values, default=str)), sort_keys=False, allow_unicode=True)
