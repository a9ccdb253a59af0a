"""Pages that need nothing else: no script, no font, no network. Their templates are below pages/."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2

from tinyml.report.terminal import short_source


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure at the head of a page."""

    title: str
    value: str
    note: str


def render_page(template: str, context: Mapping[str, Any]) -> str:
    """A template of pages/. Text of the context is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tinyml.report", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = short_source
    return environment.get_template(template).render(context)
