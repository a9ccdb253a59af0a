"""The Jinja2 environment of all emitted text: an unknown name in a template is an error."""

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tinyml.resources import resource_dir


def environment() -> Environment:
    """Over codegen/templates."""
    return Environment(
        loader=FileSystemLoader(resource_dir("codegen") / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
