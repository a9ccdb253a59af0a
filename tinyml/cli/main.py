"""`tinyml VERB …`: parse, call, print."""

import argparse
import importlib
import io
import json
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from tinyml import __version__
from tinyml.errors import MismatchError, TinymlError

# Modules of this package.
VERBS = ("analyze", "build", "run", "verify", "profile", "flash", "emulate", "bench", "boards", "doctor", "zoo")


def parser(only: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """The command line. Each verb's module adds its own flags and its `run` function.

    Args:
        only: verbs to know of. Their modules are loaded, and no others: that takes a second where all are.
    """
    top = _Parser(
        prog="tinyml",
        allow_abbrev=False,
        description="A compiler for neural networks on microcontrollers.",
        epilog="`tinyml VERB --help` tells more. To begin: tinyml zoo mobilenet_v1; tinyml analyze mobilenet_v1.onnx; "
        "tinyml build --board stm32h7 mobilenet_v1.onnx. "
        "Exit codes: 0 done, 1 your model, flag or tool is at fault, 2 usage, 3 does not fit, 4 results differ.",
    )
    top.add_argument("--version", action="version", version=f"tinyml {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in only:
        importlib.import_module(f"tinyml.cli.{verb}").add_parser(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code; never raises for a user's mistake.

    With --json a failure, too, is a document on stdout, `{"error": {...}}`, besides what people read on stderr. Results that
    differ are a document of their own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows a question mark
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        if not given:
            parser().print_help()
            return 2
        return _run(parser([given[0]] if given[0] in VERBS else VERBS), given)
    except _SyntaxError as e:
        print(f"{e.usage}{e}", file=sys.stderr)
        return _failed(given, 2, "usage", str(e).strip())
    except TinymlError as e:
        print(f"tinyml {given[0]}: {e}", file=sys.stderr)
        if isinstance(e, MismatchError):
            return e.exit_code
        return _failed(given, e.exit_code, type(e).__name__.removesuffix("Error").lower(), e.what, e.hint)
    except KeyboardInterrupt:
        print("\ninterrupted; nothing half-written was left behind", file=sys.stderr)
        return _failed(given, 130, "interrupted", "interrupted")
    except BrokenPipeError:
        return 0
    except OSError as e:
        what = f"{e.filename or 'output'}: {e.strerror or e}"
        print(f"tinyml {given[0]}: {what}", file=sys.stderr)
        return _failed(given, 1, "system", what)
    except Exception as e:
        traceback.print_exc()
        hint = (
            f"This is a bug in tinyml {__version__}. Please report it with the lines above and, if you may, the model."
        )
        print(f"\n{hint}", file=sys.stderr)
        return _failed(given, 70, "bug", f"{type(e).__name__}: {e}", hint)


def _run(top: argparse.ArgumentParser, given: list[str]) -> int:
    from tinyml.cli.project import flags_beside, preset_flags

    arguments = top.parse_args(given)
    if hasattr(arguments, "observer"):  # a verb that takes a model to compile
        flags = [*flags_beside(arguments.model, given), *given[1:]]
        profile = top.parse_args([given[0], *flags]).profile
        arguments = top.parse_args([given[0], *preset_flags(profile), *flags])
    code: int = arguments.handler(arguments)
    return code


def _failed(given: Sequence[str], code: int, kind: str, message: str, hint: str | None = None) -> int:
    """Says so on stdout where JSON was asked for. Returns the exit code."""
    if "--json" in given:
        error = {"kind": kind, "message": message, "hint": hint, "exit_code": code}
        print(json.dumps({"error": error}, indent=2))
    return code


class _SyntaxError(Exception):
    """The command line cannot be parsed. usage: of the verb, ends with a line end."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class _Parser(argparse.ArgumentParser):
    """Leaves it to `main` to tell of mistakes."""

    def error(self, message: str) -> NoReturn:
        raise _SyntaxError(f"{self.prog}: error: {message}", self.format_usage())


if __name__ == "__main__":
    sys.exit(main())
