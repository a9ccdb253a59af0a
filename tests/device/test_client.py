"""The protocol client against a scripted board: what it sends, and what it makes of every kind of answer."""

import contextlib
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyml.device.client import Client, DeviceMemory, DeviceModel, LayerCycles, RunTime
from tinyml.errors import ToolError

BANNER = b"m-timestamp-mode-performance\r\nm-lap-us-12\r\nm-init-done\r\nm-ready\r\n"
READY = b"m-ready\r\n"
MODEL = (
    b"m-model-[person]\r\nm-sha256-["
    + b"0123456789abcdef" * 4
    + b"]\r\nm-plan-["
    + b"fedcba9876543210" * 4
    + b"]\r\nm-board-[nucleo_h743zi]\r\nm-clock-hz-480000000\r\n"
    b"m-traced-layers-0\r\nm-input-preserved-0\r\nm-inputs-1\r\nm-input-0-4\r\nm-outputs-2\r\nm-output-0-2\r\nm-output-1-6\r\nm-ready\r\n"
)


class ScriptedBoard:
    """Answers each thing that it is sent with the next of its replies, in pieces of a few bytes."""

    def __init__(self, *replies: bytes, greeting: bytes = BANNER, piece: int = 7) -> None:
        self.sent: list[bytes] = []
        self._replies = list(replies)
        self._pending = greeting
        self._piece = piece

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        if self._replies:
            self._pending += self._replies.pop(0)

    def read(self, timeout: float) -> bytes:
        assert timeout > 0
        piece, self._pending = self._pending[: self._piece], self._pending[self._piece :]
        return piece

    def close(self) -> None:
        pass


def _client(*replies: bytes, **options: Any) -> tuple[Client, ScriptedBoard]:
    board = ScriptedBoard(*replies, **options)
    client = Client(board)
    client.connect()
    return client, board


def test_connect_waits_for_the_banner() -> None:
    _, board = _client()
    assert board.sent == []


class WakefulBoard(ScriptedBoard):
    """One that has been on for long. It answers the second call: the first ends a `run` that another host left."""

    def write(self, data: bytes) -> None:
        super().write(data)
        if data.startswith(b"%") and len(self.sent) == 2:
            unknown = data.strip(b"%").decode()
            self._pending += f"m-ready\r\ne-[Unknown command: {unknown}]\r\nm-ready\r\n".encode()


def test_connect_calls_a_board_that_is_on_already() -> None:
    board = WakefulBoard(b"half a li", b"ne\r\ne-[Stopped", b"m-name-dut-[tinyml]\r\nm-ready\r\n", greeting=b"")
    client = Client(board)
    client.connect()
    assert client.name() == "tinyml"
    first, second, name = board.sent
    assert first != second and first.startswith(b"%hello-") and name == b"name%"


def test_connect_gives_up_on_a_board_that_says_something_else() -> None:
    board = ScriptedBoard(*[b"login: " * 9] * 9999, greeting=b"")
    with pytest.raises(ToolError, match="does not finish its answer"):
        Client(board, timeout=0.05).connect()


def test_model() -> None:
    client, _ = _client(MODEL)
    assert client.model() == DeviceModel(
        "person", "0123456789abcdef" * 4, "fedcba9876543210" * 4, "nucleo_h743zi", 480_000_000, 0, False, (4,), (2, 6)
    )


def test_put_announces_size_and_crc() -> None:
    client, board = _client(b"m-go\r\n", b"m-put-done\r\nm-ready\r\n")
    client.put(0, b"123456789")
    assert board.sent == [b"put 0 9 cbf43926%", b"123456789"]  # the check value of CRC-32


def test_run_reports_the_device_s_clocks() -> None:
    client, board = _client(b"m-lap-us-1000\r\nm-lap-us-3500\r\nm-cycles-1200000\r\nm-run-done\r\nm-ready\r\n")
    assert client.run(3) == RunTime(microseconds=2500, cycles=1_200_000)
    assert board.sent == [b"run 3%"]


@given(st.binary(max_size=200), st.integers(1, 50))
def test_get_takes_any_bytes(data: bytes, piece: int) -> None:
    reply = f"m-get-{len(data)}-{zlib.crc32(data):08x}\r\n".encode() + data + b"\r\nm-ready\r\n"
    client, _ = _client(reply, piece=piece)
    assert client.get(1) == data


def test_memory() -> None:
    arenas = b"m-arena-96000\r\nm-arena-used-0-64000\r\nm-arena-used-1-31999\r\n"
    client, _ = _client(b"m-stack-520\r\nm-stack-size-8192\r\n" + arenas + b"m-ready\r\n")
    assert client.memory() == DeviceMemory(520, 8192, 96000, (64000, 31999))


def test_layers() -> None:
    client, board = _client(b"m-layer-0-120\r\nm-layer-1-30\r\nm-cycles-155\r\nm-ready\r\n")
    assert client.layers(5) == LayerCycles((120, 30), 155)
    assert board.sent == [b"layers 5%"]


def test_tensor() -> None:
    client, board = _client(b"m-get-4-cbf43926\r\nabcd\r\nm-ready\r\n", b"m-get-9-cbf43926\r\n123456789\r\nm-ready\r\n")
    with pytest.raises(ToolError, match="the tensor behind layer 3 was damaged on the line"):
        client.tensor(3, 1, 0, 64, 4)
    assert client.tensor(3, 1, 0, 64, 9) == b"123456789"
    assert board.sent == [b"tensor 3 1 0 64 4%", b"tensor 3 1 0 64 9%"]


def test_paint_and_reset() -> None:
    client, board = _client(b"m-paint-done\r\nm-ready\r\n", BANNER)
    client.paint(0x3A)
    client.reset()
    assert board.sent == [b"paint 3a%", b"reset%"]


def test_infer_puts_runs_and_gets() -> None:
    def output(data: bytes) -> bytes:
        return f"m-get-{len(data)}-{zlib.crc32(data):08x}\r\n".encode() + data + b"\r\nm-ready\r\n"

    client, board = _client(
        MODEL,
        b"m-go\r\n",
        b"m-put-done\r\nm-ready\r\n",
        b"m-lap-us-1\r\nm-lap-us-2\r\nm-cycles-3\r\nm-run-done\r\nm-ready\r\n",
        output(b"\r\n"),
        output(b"abcdef"),
    )
    assert client.infer([b"wxyz"]) == (b"\r\n", b"abcdef")
    assert [sent.split()[0] for sent in board.sent] == [b"model%", b"put", b"wxyz", b"run", b"get", b"get"]


@pytest.mark.parametrize(
    ("call", "replies", "message"),
    [
        (Client.name, [b""], r"does not finish its answer to 'name'"),
        (Client.name, [b"m-name-dut-[tin"], r"its answer to 'name'; last it said b'm-name-dut-\[tin'"),
        (Client.name, [b"m-name-dut-tinyml\n" + READY], r"expected a line 'm-name-dut"),
        (Client.name, [b"\xff\xfe\x00" * 600], r"bytes that are no lines: b'\\xff\\xfe\\x00"),
        (Client.name, [b"e-[Unknown command: nahe]\n" + READY], r"answered 'name' with e-\[Unknown command: nahe\]"),
        (Client.run, [b"m-lap-us-1\n\r\ne-[Fault 3: pc 08000010 lr 0 cfsr 0 hfsr 0]\n"], r"Fault 3: pc 08000010"),
        (Client.run, [b"m-lap-us-9\nm-lap-us-3\nm-cycles-3\nm-run-done\n" + READY], r"answered 'run 1' with 2 times"),
        (Client.run, [b"m-lap-us-9\nm-cycles-3\nm-run-done\n" + READY], r"answered 'run 1' with 1 times"),
        (Client.model, [MODEL.replace(b"outputs-2", b"outputs-999999999")], r"999999999 outputs, and describes fewer"),
        (Client.model, [MODEL.replace(b"m-clock-hz-480000000\r\n", b"")], r"expected a line 'm-clock-hz"),
        (lambda c: c.put(0, b"ab"), [b"e-[Input 0 takes 4 bytes]\n" + READY], r"Input 0 takes 4 bytes"),
        (lambda c: c.put(0, b"ab"), [READY], r"answered 'put 0 2 9e83486d' with \['m-ready'\]; expected a line 'm-go'"),
        (lambda c: c.put(0, b"ab"), [b"m-go\n", b"e-[CRC of 2 bytes is 1]\n" + READY], r"CRC of 2 bytes"),
        (lambda c: c.get(0), [b"m-get-3-00000000\nabc\n" + READY], r"output 0 was damaged on the line: CRC 352441c2"),
        (lambda c: c.get(0), [b"m-get-999999999-00000000\n"], r"announces 999999999 bytes as output 0"),
        (lambda c: c.get(0), [b"m-get-9-00000000\nabc"], r"does not finish its answer to 'get 0'"),
        (lambda c: c.infer([b"abc"]), [MODEL], r"person takes inputs of \(4,\) bytes, not \(3,\)"),
    ],
)  # fmt: skip
def test_wrong_answers_are_errors(call: Callable[[Client], object], replies: list[bytes], message: str) -> None:
    client, _ = _client(*replies)
    with pytest.raises(ToolError, match=message):
        call(client)


@given(st.lists(st.binary(max_size=80), min_size=6, max_size=6))
def test_garbage_never_does_worse_than_a_tool_error(replies: list[bytes]) -> None:
    client, _ = _client(*replies)
    for call in (Client.model, Client.memory, Client.run, lambda c: c.put(0, b"abc"), lambda c: c.get(0)):
        with contextlib.suppress(ToolError):
            call(client)


def test_damaged_weights_are_reported_at_boot() -> None:
    with pytest.raises(ToolError, match="Weights damaged"):
        _client(greeting=BANNER.replace(b"m-init", b"e-[Weights damaged: CRC 00000000, expected 11111111]\r\nm-init"))
