"""The Jinja2 environment of all emitted text: an unknown name in a template is an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tinyml.resources import resource_dir


def environment(root: Path | None = None) -> Environment:
    """Over a folder of templates: codegen/templates where none is named."""
    return Environment(
        loader=FileSystemLoader(root or resource_dir("codegen") / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
