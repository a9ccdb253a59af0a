"""`tinyml doctor`: what is attached, and what keeps it from being used."""

import json
import os
import sys
from pathlib import Path

import pytest

from tinyml.cli import doctor
from tinyml.cli import main as cli
from tinyml.device.serial_port import PortInfo
from tinyml.device.usb import UsbDevice, boards_of, usb_devices
from tinyml.targets import list_boards


def plug_in(sysfs: Path, nodes: Path, name: str, ids: str, product: str, number: int) -> Path:
    """A device as Linux shows it. Returns the file by which programs reach it."""
    folder = sysfs / name
    folder.mkdir(parents=True)
    vid, pid = ids.split(":")
    for file, text in {"idVendor": vid, "idProduct": pid, "product": product, "busnum": "1", "devnum": number}.items():
        (folder / file).write_text(f"{text}\n")
    node = nodes / "001" / f"{number:03d}"
    node.parent.mkdir(parents=True, exist_ok=True)
    node.touch()
    return node


def test_probes_are_told_from_other_devices(tmp_path: Path) -> None:
    sysfs, nodes = tmp_path / "sys", tmp_path / "dev"
    plug_in(sysfs, nodes, "1-1", "0483:374b", "STM32 STLink", 4)
    plug_in(sysfs, nodes, "1-2", "0483:5740", "Virtual COM Port of a product", 5)
    plug_in(sysfs, nodes, "1-3", "1366:1015", "J-Link", 6)
    plug_in(sysfs, nodes, "1-4", "2e8a:000c", "Debug Probe (CMSIS-DAP)", 7)
    plug_in(sysfs, nodes, "1-5", "2e8a:0003", "RP2 Boot", 8)
    plug_in(sysfs, nodes, "1-6", "046d:c077", "Mouse", 9)
    (sysfs / "1-1:1.0").mkdir()  # an interface
    found = {device.id: device for device in usb_devices((), sysfs, nodes)}
    assert {ids: device.probe for ids, device in found.items()} == {
        "0483:374b": "ST-LINK", "0483:5740": None, "1366:1015": "J-Link", "2e8a:000c": "CMSIS-DAP", "2e8a:0003": None,
        "046d:c077": None,
    }  # fmt: skip
    assert found["0483:374b"].node == nodes / "001" / "004" and found["0483:374b"].usable
    names = {board.short_name for board in boards_of(0x0483, 0x374B, list_boards())}
    assert {"stm32h7", "stm32l4r5"} <= names and "pico" not in names
    assert [board.short_name for board in boards_of(0x2E8A, 0x0003, list_boards())] == ["pico"]


def test_elsewhere_ports_tell(tmp_path: Path) -> None:
    ports = (PortInfo("COM3", "STLink Virtual COM Port", 0x0483, 0x374E, None), PortInfo("COM1", "", None, None, None))
    assert usb_devices(ports, tmp_path / "none") == (UsbDevice(0x0483, 0x374E, "STLink Virtual COM Port"),)


@pytest.mark.parametrize("attached", [False, True])
def test_ports_and_probes(
    attached: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = tmp_path / "ttyACM0"
    port.touch()
    ports = (PortInfo(str(port), "STLINK-V3", 0x0483, 0x374E, None),) if attached else ()
    devices = (UsbDevice(0x0483, 0x374E, "STLINK-V3", Path("/dev/bus/usb/001/004"), False),) if attached else ()
    monkeypatch.setattr(doctor, "list_ports", lambda: ports)
    monkeypatch.setattr(doctor, "usb_devices", lambda ports: devices)
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(port) and allowed(path, mode))
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert cli.main(["doctor", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["ziglang"]["needed"] and checks["ziglang"]["found"]
    if not attached:
        assert "none is attached" in printed and not checks["serial ports"]["found"]
        return
    assert "may be stm32h7" in checks[str(port)]["detail"]
    if sys.platform != "win32":
        assert not checks[str(port)]["found"] and "usermod -aG dialout" in checks[str(port)]["hint"]
    probe = checks["0483:374e"]
    assert not probe["found"] and "udev rules" in probe["hint"] and "may be on stm32h7" in probe["detail"]
    assert "STLINK-V3" in printed
