"""A board as JSON: a build keeps the one that it was made for, whatever board files say later."""

import json
from dataclasses import asdict

from pydantic import TypeAdapter, ValidationError

from tinyml.errors import BoardError
from tinyml.targets.board import Board
from tinyml.targets.core import CORES

_BOARD = TypeAdapter(Board)


def board_document(board: Board) -> dict[str, object]:
    """For `json`; the core is its name."""
    return {**asdict(board), "core": board.core.name}


def board_from_json(text: str, where: str) -> Board:
    """Reads what `board_document` gave.

    Raises:
        BoardError: it is damaged, or of another version of tinyml; names `where`.
    """
    try:
        document = json.loads(text)
        return _BOARD.validate_python({**document, "core": CORES[document["core"]]})
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise BoardError(f"{where}: is no board that this version of tinyml wrote: {first}", "build again") from None
