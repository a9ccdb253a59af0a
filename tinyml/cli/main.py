"""`tinyml VERB …`: parse, call, print."""

import argparse
import io
import sys
import traceback
from collections.abc import Sequence

from tinyml import __version__
from tinyml.cli.project import flags_beside
from tinyml.errors import TinymlError


def parser() -> argparse.ArgumentParser:
    """The whole command line. Each verb's module adds its own flags and its `run` function."""
    from tinyml.cli import analyze, bench, boards, build, doctor, emulate, flash, profile, run, verify, zoo

    top = argparse.ArgumentParser(
        prog="tinyml",
        allow_abbrev=False,
        description="A compiler for neural networks on microcontrollers.",
        epilog="Exit codes: 0 done, 1 your model, flag or tool is at fault, 2 usage, 3 does not fit, 4 results differ.",
    )
    top.add_argument("--version", action="version", version=f"tinyml {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for module in (analyze, build, run, verify, profile, flash, emulate, bench, boards, doctor, zoo):
        module.add_parser(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code; never raises for a user's mistake."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows a question mark
    top = parser()
    given = sys.argv[1:] if argv is None else argv
    if not given:
        top.print_help()
        return 2
    arguments = top.parse_args(given)
    try:
        if hasattr(arguments, "observer"):  # a verb that takes a model to compile
            beside = flags_beside(arguments.model, given)
            arguments = top.parse_args([given[0], *beside, *given[1:]]) if beside else arguments
        code: int = arguments.handler(arguments)
        return code
    except TinymlError as e:
        print(f"tinyml {arguments.verb}: {e}", file=sys.stderr)
        return e.exit_code
    except KeyboardInterrupt:
        print("\ninterrupted; nothing half-written was left behind", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except OSError as e:
        print(f"tinyml {arguments.verb}: {e.filename or 'output'}: {e.strerror or e}", file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        print(
            f"\nThis is a bug in tinyml {__version__}. Please report it with the lines above and, if you may, the model.",
            file=sys.stderr,
        )
        return 70


if __name__ == "__main__":
    sys.exit(main())
