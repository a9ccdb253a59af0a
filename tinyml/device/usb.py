"""What is plugged in: USB devices that board files name, and debug probes. On Linux by way of sysfs; elsewhere only what
shows as a serial port is seen."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyml.device.serial_port import PortInfo
from tinyml.targets.board import Board

_SYSFS = Path("/sys/bus/usb/devices")
_NODES = Path("/dev/bus/usb")

# Vendors whose devices are probes, by the ids of USB: OpenOCD's interface/stlink.cfg, SEGGER's udev rules.
_PROBE_VENDORS = {0x0483: "ST-LINK", 0x1366: "J-Link"}
_ST_PROBES = {0x3744, 0x3748, 0x374B, 0x374D, 0x374E, 0x374F, 0x3752, 0x3753, 0x3754}
_ANY_PROBE = "cmsis-dap"  # in a device's name, by the CMSIS-DAP specification


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """Attributes:
    node: the file by which programs reach it; None where the system has no such file.
    usable: we may open that file; None where it is not known.
    """

    vid: int
    pid: int
    product: str
    node: Path | None = None
    usable: bool | None = None

    @property
    def id(self) -> str:
        return f"{self.vid:04x}:{self.pid:04x}"

    @property
    def probe(self) -> str | None:
        """What kind of debug probe it is, if it is one that we know."""
        if _ANY_PROBE in self.product.lower():
            return "CMSIS-DAP"
        if self.vid == 0x0483 and self.pid not in _ST_PROBES:
            return None
        return _PROBE_VENDORS.get(self.vid)


def usb_devices(ports: Sequence[PortInfo], sysfs: Path = _SYSFS, nodes: Path = _NODES) -> tuple[UsbDevice, ...]:
    """All USB devices on Linux; elsewhere those behind `ports`."""
    if not sysfs.is_dir():
        return tuple(UsbDevice(p.vid, p.pid, p.description) for p in ports if p.vid is not None and p.pid is not None)
    found = (_read(folder, nodes) for folder in sorted(sysfs.iterdir()))
    return tuple(device for device in found if device is not None)


def boards_of(vid: int | None, pid: int | None, boards: Sequence[Board]) -> tuple[Board, ...]:
    """The boards that have this USB id on them."""
    if vid is None or pid is None:
        return ()
    return tuple(board for board in boards if f"{vid:04x}:{pid:04x}" in board.flash_tools.usb)


def _read(folder: Path, nodes: Path) -> UsbDevice | None:
    def text(name: str) -> str:
        try:
            return (folder / name).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    try:
        vid, pid = int(text("idVendor"), 16), int(text("idProduct"), 16)
        node = nodes / f"{int(text('busnum')):03d}" / f"{int(text('devnum')):03d}"
    except ValueError:  # an interface or a hub's port, not a device
        return None
    exists = node.exists()
    return UsbDevice(vid, pid, text("product"), node if exists else None, os.access(node, os.W_OK) if exists else None)
