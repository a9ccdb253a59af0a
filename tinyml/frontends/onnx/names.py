"""Names from the file, made fit to be printed and told apart."""

from collections.abc import Iterable

_LONGEST = 200


def printable(name: str) -> str:
    """A name without control characters and of bounded length: it stands in messages and comments."""
    return "".join(c if c.isprintable() else "?" for c in name[:_LONGEST])


class UniqueNames:
    """Gives each name once; a name that is taken gets a number. Takes linear time even where all names are equal."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._tried: dict[str, int] = {}

    def take(self, name: str) -> str:
        """The printable name, or with a number where it was given already."""
        wanted = unique = printable(name)
        while unique in self._taken:
            self._tried[wanted] = self._tried.get(wanted, 0) + 1
            unique = f"{wanted}_{self._tried[wanted]}"
        self._taken.add(unique)
        return unique
