"""Two networks in one program: they share kernels, and run at once on arenas of their own."""

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from emitted_c import graph_of, host_compilers, interpreted, macros, noise, write, zoo_network

from tinyml.build.toolchain import run_tool
from tinyml.emit.bundle import SourceBundle
from tinyml.pipeline import need


class Network:
    """A network in a library, with an arena of its own."""

    def __init__(self, library: ctypes.CDLL, bundle: SourceBundle) -> None:
        found = macros(bundle.files[f"{bundle.name}.h"])
        prefix = bundle.name.upper()
        self._input_bytes, self._output_bytes, size = (
            int(found[f"{prefix}_{key}_BYTES"]) for key in ("INPUT", "OUTPUT", "ARENA")
        )
        self._init, self._input, self._output, self._run = (
            getattr(library, f"{bundle.name}_{function}") for function in ("init", "input", "output", "run")
        )
        self._input.restype = self._output.restype = ctypes.c_void_p
        self._arena = (ctypes.c_int64 * (size // 8 + 1))()
        self._net = (ctypes.c_void_p * 1)()  # arena pointers only
        self._init(self._net, self._arena)

    def infer(self, data: bytes) -> bytes:
        assert len(data) == self._input_bytes
        ctypes.memmove(self._input(self._net), data, len(data))
        self._run(self._net)  # ctypes lets other threads run meanwhile
        return ctypes.string_at(self._output(self._net), self._output_bytes)


def test_two_models_share_kernels_and_run_at_once(tmp_path: Path) -> None:
    networks = [zoo_network(name, tmp_path) for name in ("ds_cnn", "resnet8")]
    bundles = [need(done.bundle) for done in networks]
    common = set(bundles[0].files) & set(bundles[1].files)
    assert [path for path in common if path.endswith(".c")], "these two share kernels"
    assert all(bundles[0].files[path] == bundles[1].files[path] for path in common)

    for bundle in bundles:
        write(bundle, tmp_path / "src")
    sources = sorted({path for bundle in bundles for path in bundle.sources})
    library = tmp_path / f"both{'.dll' if sys.platform == 'win32' else '.so'}"
    pic = () if sys.platform == "win32" else ("-fPIC",)
    cc = next(iter(host_compilers().values()))
    run_tool([*cc, "-std=c99", "-O1", *pic, "-shared", *sources, "-o", str(library)], tmp_path / "src")
    loaded = ctypes.CDLL(str(library))

    barrier = Barrier(4, timeout=60)

    def rounds(index: int) -> None:
        """One network on an arena of its own, while the others run."""
        done = networks[index % 2]
        network = Network(loaded, need(done.bundle))
        samples = [noise(graph_of(done), seed)[0] for seed in (index, index + 100)]
        expected = [interpreted(graph_of(done), [sample]) for sample in samples]
        barrier.wait()
        for _ in range(10):
            assert [network.infer(sample) for sample in samples] == expected

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(rounds, range(4)))
