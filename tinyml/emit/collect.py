"""Puts together what the layers of a run leave, rows at a time, from somebody who watches the run call by call."""

from collections.abc import Callable, Mapping, Sequence

from tinyml.emit.bundle import EmittedLayer

Read = Callable[[str, int, int], bytes]  # (arena, offset, bytes) -> what lies there now


class Collector:
    """Told after each call of a layer's function, it reads the rows that the call left, before a ring gives their place
    to others."""

    def __init__(self, layers: Sequence[EmittedLayer], read: Read) -> None:
        self._layers = layers
        self._read = read
        self._calls = [0] * len(layers)
        self._values = {v.name: bytearray(v.rows * v.row_bytes) for layer in layers for v in layer.outputs}

    def after(self, index: int) -> None:
        """A call of layer `index` has returned."""
        layer = self._layers[index]
        row, end = layer.calls[self._calls[index] % len(layer.calls)]
        self._calls[index] += 1
        for value in layer.outputs:
            kept, size = self._values[value.name], value.row_bytes
            if value.lines == value.rows:
                kept[row * size : end * size] = self._read(value.arena, value.offset + row * size, (end - row) * size)
                continue
            for y in range(row, end):
                kept[y * size : (y + 1) * size] = self._read(value.arena, value.offset + y % value.lines * size, size)

    def complete(self) -> bool:
        """Whether every layer made all of its calls."""
        return all(made == len(layer.calls) for made, layer in zip(self._calls, self._layers, strict=True))

    def layers(self) -> tuple[Mapping[str, bytes], ...]:
        """For each layer, value name -> its bytes."""
        return tuple({v.name: bytes(self._values[v.name]) for v in layer.outputs} for layer in self._layers)
