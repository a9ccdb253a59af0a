"""Puts together what the layers of a run leave, part by part, from somebody who watches the run call by call."""

from collections.abc import Callable, Mapping, Sequence

from tinyml.emit.bundle import EmittedLayer

Read = Callable[[str, int, int], bytes]  # (arena, offset, bytes) -> what lies there now


class Collector:
    """Told after each call of a layer's function, it reads what the call left, before others take its place."""

    def __init__(self, layers: Sequence[EmittedLayer], read: Read) -> None:
        self._layers = layers
        self._read = read
        self._calls = [0] * len(layers)
        self._values = {v.name: bytearray(v.rows * v.row_bytes) for layer in layers for v in layer.outputs}

    def after(self, index: int) -> None:
        """A call of layer `index` has returned."""
        layer = self._layers[index]
        part = layer.calls[self._calls[index] % len(layer.calls)]
        self._calls[index] += 1
        for value in layer.outputs:
            kept, size, pixel = self._values[value.name], value.row_bytes, value.pixel_bytes
            if value.lines == value.rows and part.cols * pixel == size:
                start, end = part.row * size, part.end * size
                kept[start:end] = self._read(value.arena, value.offset + start, end - start)
                continue
            length = part.cols * pixel
            for y in range(part.row, part.end):
                row, col = (y % value.lines, part.col) if value.lines else (y - part.row, part.kept)
                at = row * value.pitch + col * pixel
                to = y * size + part.col * pixel
                kept[to : to + length] = self._read(value.arena, value.offset + at, length)

    def complete(self) -> bool:
        """Whether every layer made all of its calls."""
        return all(made == len(layer.calls) for made, layer in zip(self._calls, self._layers, strict=True))

    def layers(self) -> tuple[Mapping[str, bytes], ...]:
        """For each layer, value name -> its bytes."""
        return tuple({v.name: bytes(self._values[v.name]) for v in layer.outputs} for layer in self._layers)
