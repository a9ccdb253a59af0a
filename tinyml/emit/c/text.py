"""Small pieces of C text: identifiers, comments, numbers, initializers. Layout of whole files is in codegen/templates."""

import re
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from tinyml.errors import UsageError
from tinyml.kernels.descriptor import Array, Field

WIDTH = 116  # columns of emitted C, the house's 120 less an indent

_RESERVED = """
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main
    class delete new private public this throw try template typename using virtual namespace operator
"""
_KEYWORDS = frozenset(re.findall(r"\w+", _RESERVED))
# <name>_t is a type of C's headers or of POSIX's.
_TYPES = re.compile(
    r"u?int(_?(least|fast))?(8|16|32|64|128|ptr|max)|max_align|nullptr|ptrdiff|s?size|wchar|wint|wctrans|wctype|char(8|16|32)"
    r"|mbstate|sig_atomic|l?l?div|clock|clockid|time|timer|fpos|dev|gid|id|ino|key|mode|nlink|off|pid|uid|suseconds|pthread"
)
_C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "float32": "float",
}


def identifier(text: str) -> str:
    """A C identifier made from any text: `person-detect.v2` -> `person_detect_v2`.

    Raises:
        UsageError: nothing of it is left.
    """
    name = re.sub(r"_+", "_", re.sub(r"[^0-9A-Za-z]", "_", text)).strip("_").lower()
    if not name:
        raise UsageError(f"no C identifier can be made from the name {text!r}", "pass --name with letters or digits")
    if name[0].isdigit() or name in _KEYWORDS or _TYPES.fullmatch(name) or name.startswith("tinyml"):
        name = f"model_{name}"
    return name


def comment_text(text: str) -> str:
    """Text of a model file made safe inside a C comment: printable ASCII, no end of comment, no line splice."""
    printable = "".join(c if " " <= c <= "~" else "?" for c in text)
    return printable.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("??/", "?? /")


def c_string(text: str) -> str:
    """A C string literal, ASCII with octal escapes (which, unlike \\x, end after three digits)."""
    out = []
    for byte in text.encode("utf-8"):
        char = chr(byte)
        if char in '"\\?':
            out.append("\\" + char)
        elif " " <= char <= "~":
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def c_type(array: np.ndarray) -> str:
    """The C element type of an array; KeyError for types that kernels do not take."""
    return _C_TYPES[array.dtype.name]


def c_int(value: int) -> str:
    """An int32 literal; the smallest one has no literal of its own in C."""
    return "INT32_MIN" if value == -(1 << 31) else str(value)


def c_float(value: float) -> str:
    """A float literal that reads back as the same float32; infinities become FLT_MAX, which clamps alike."""
    single = np.float32(value)
    if np.isnan(single):
        raise ValueError("NaN has no literal in C")
    if np.isinf(single):
        return "FLT_MAX" if single > 0 else "-FLT_MAX"
    readable = single == 0 or 1e-3 <= abs(single) < 1e6
    form = np.format_float_positional if readable else np.format_float_scientific
    return f"{form(single, unique=True, trim='0')}f"


def array_body(data: np.ndarray) -> str:
    """The elements of an array, wrapped and indented, in memory order."""
    flat = data.reshape(-1)
    if data.dtype == np.float32:
        items = [c_float(v) for v in flat]
    elif data.dtype == np.int32:
        items = [c_int(v) for v in flat.tolist()]
    else:
        items = [str(v) for v in flat.tolist()]
    per_line = max(1, WIDTH // (max(map(len, items), default=1) + 2))
    if per_line > 8:
        per_line -= per_line % 8
    lines = (", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line))
    return ",\n".join(f"    {line}" for line in lines)


def initializer(fields: Mapping[str, Field], names: Mapping[int, str], indent: int = 4) -> str:
    """Designated initializers of a structure, several to a line; a nested structure has lines of its own.

    Args:
        names: id of an Array -> the C name under which the weights file defines it.
    """
    margin = " " * indent
    lines: list[str] = []
    run: list[str] = []

    def end_run() -> None:
        if run:
            lines.append(_wrapped(run, margin))
            run.clear()

    for field, value in fields.items():
        if isinstance(value, Mapping):
            end_run()
            lines.append(f"{margin}.{field} = {{\n{initializer(value, names, indent + 4)}\n{margin}}}")
        else:
            run.append(f".{field} = {_literal(value, names)}")
    end_run()
    return ",\n".join(lines)


def _wrapped(parts: Sequence[str], margin: str) -> str:
    """Parts separated by commas, filled into lines; no part is broken."""
    unbroken = ", ".join(part.replace(" ", "\0") for part in parts)
    filled = textwrap.fill(unbroken, WIDTH, initial_indent=margin, subsequent_indent=margin, break_long_words=False,
                           break_on_hyphens=False)  # fmt: skip
    return filled.replace("\0", " ")


def _literal(value: Field, names: Mapping[int, str]) -> str:
    if value is None:
        return "0"
    if isinstance(value, Array):
        return names[id(value)]
    if isinstance(value, bool | int | np.integer):
        return c_int(int(value))
    if isinstance(value, float | np.floating):
        return c_float(float(value))
    if isinstance(value, tuple):
        return "{ " + ", ".join(_literal(v, names) for v in value) + " }"
    return "{ " + ", ".join(f".{k} = {_literal(v, names)}" for k, v in value.items()) + " }"


def arrays_in(fields: Mapping[str, Field]) -> list[Array]:
    """The arrays that a parameter structure refers to, in order, nested ones included."""
    found: list[Array] = []
    for value in fields.values():
        if isinstance(value, Array):
            found.append(value)
        elif isinstance(value, tuple):
            found += arrays_in({str(i): v for i, v in enumerate(value)})
        elif isinstance(value, Mapping):
            found += arrays_in(value)
    return found
