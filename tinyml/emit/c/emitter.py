"""MemoryPlan -> C sources."""

import re
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field

from jinja2 import Environment

from tinyml import __version__
from tinyml.emit.bundle import SourceBundle
from tinyml.emit.c.context import (
    arena_contexts,
    feed_context,
    label_literals,
    port_contexts,
    reset_contexts,
    stage_contexts,
)
from tinyml.emit.c.pixels import pixels_context, takes_pictures
from tinyml.emit.c.text import comment_text, identifier
from tinyml.emit.templates import environment
from tinyml.ir.graph import Value
from tinyml.memory.plan import MemoryPlan
from tinyml.quantize.pictures import Preprocess
from tinyml.resources import resource_dir

_INCLUDE = re.compile(r'^#include "(tinyml_\w+\.h)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the header of the emitted files says about where they came from. No path, host or time: output is
    the same wherever and whenever it is made.

    Attributes:
        model_file: file name without its folder.
        target: title of the board, or the core.
        preprocess: how pixels become inputs; None where nothing is known of it.
        warning: one line that the header must shout ("UNCALIBRATED: …"), or None.
    """

    name: str
    model_file: str
    model_sha256: str
    target: str
    quantization: str
    warning: str | None = None
    labels: tuple[str, ...] = field(default=())
    preprocess: Preprocess | None = None


def emit_c(plan: MemoryPlan, identity: Identity) -> SourceBundle:
    """`<name>.h`, `<name>.c`, `<name>_weights.c`, and the kernels that they use; for a network that takes a picture,
    `<name>_pixels.h` and `.c` besides."""
    name = identifier(identity.name)
    arenas = arena_contexts(plan)
    members = {arena.name: context.member for arena, context in zip(plan.arenas, arenas, strict=True)}
    graph = plan.schedule.graph
    stages = stage_contexts(name, plan, members)
    layers = tuple(layer for stage in stages for layer in stage.layers)
    kernels = {plan.schedule.kernel(n).symbol: plan.schedule.kernel(n) for s in plan.schedule.stages for n in s.nodes}
    own = ["tinyml_types.h", *(["tinyml_stream.h"] if any(stage.workers for stage in stages) else [])]
    own += ["tinyml_patch.h"] if any(stage.patches for stage in stages) else []
    own += ["tinyml_memory.h"] if plan.schedule.stream_input else []
    kernel_files = _kernel_files(sorted({k.source for k in kernels.values()}), own)
    arrays = [array for layer in layers for array in layer.arrays]
    weights_bytes = sum(a.bytes for a in arrays if a.role == "weights")
    parameters_bytes = sum(a.bytes for a in arrays if a.role != "weights")
    context = {
        "name": name,
        "macro": name.upper(),
        "identity": identity,
        "model_file": comment_text(identity.model_file),
        "target": comment_text(identity.target),
        "version": __version__,
        "arenas": arenas,
        "inputs": port_contexts(plan, graph.inputs, members),
        "outputs": port_contexts(plan, graph.outputs, members),
        "resets": reset_contexts(plan, members),
        "input_preserved": plan.input_preserved,
        "layers": layers,
        "stages": stages,
        "feed": feed_context(plan, members),
        "arrays": arrays,
        "headers": sorted({k.header.rsplit("/", 1)[-1] for k in kernels.values()}),
        "labels": label_literals(identity.labels),
        "macs": sum(layer.emitted.macs for layer in layers),
        "weights_bytes": weights_bytes,
        "parameters_bytes": parameters_bytes,
        "uses_float_limits": any("FLT_MAX" in layer.initializer for layer in layers),
    }
    templates = environment()
    files = {
        f"{name}.h": templates.get_template("model.h.j2").render(context),
        f"{name}.c": templates.get_template("model.c.j2").render(context),
        f"{name}_weights.c": templates.get_template("weights.c.j2").render(context),
        **_pixel_files(templates, context, graph.value(graph.inputs[0]), identity),
        **kernel_files,
    }
    emitted = tuple(layer.emitted for layer in layers)
    return SourceBundle(name, files, emitted, plan, weights_bytes, parameters_bytes)


def _pixel_files(
    templates: Environment, context: Mapping[str, object], value: Value, identity: Identity
) -> dict[str, str]:
    """Converters of camera frames, for a network with one input that is a picture."""
    inputs = context["inputs"]
    if identity.preprocess is None or not isinstance(inputs, Sized) or len(inputs) != 1 or not takes_pictures(value):
        return {}
    name = str(context["name"])
    filled = {**context, **pixels_context(name, value, identity.preprocess)}
    return {f"{name}_pixels.{kind}": templates.get_template(f"pixels.{kind}.j2").render(filled) for kind in "hc"}


def _kernel_files(sources: list[str], own: list[str]) -> dict[str, str]:
    """The kernel sources, then every header that they and the network include, all in one flat folder."""
    root = resource_dir("codegen") / "kernels"
    files = {source.rsplit("/", 1)[-1]: (root / source).read_text(encoding="utf-8") for source in sources}
    pending = sorted({*own, *(h for text in files.values() for h in _INCLUDE.findall(text))})
    headers: dict[str, str] = {}
    while pending:
        header = pending.pop()
        if header not in headers:
            headers[header] = (root / "include" / header).read_text(encoding="utf-8")
            pending += _INCLUDE.findall(headers[header])
    return {**files, **dict(sorted(headers.items()))}
