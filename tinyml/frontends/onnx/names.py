"""Names from the file, made fit to be printed and told apart."""

import itertools
from collections.abc import Container

_LONGEST = 200


def printable(name: str) -> str:
    """A name without control characters and of bounded length: it stands in messages and comments."""
    return "".join(c if c.isprintable() else "?" for c in name[:_LONGEST])


def unique_name(name: str, taken: Container[str]) -> str:
    """`name`, with a number where it is taken."""
    if name not in taken:
        return name
    return next(f"{name}_{i}" for i in itertools.count(1) if f"{name}_{i}" not in taken)
