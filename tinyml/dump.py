"""Writes what a stage made, for people and for tests: `--dump-dir`."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from tinyml.build.files import write_file
from tinyml.build.image import FirmwareImage
from tinyml.emit.bundle import SourceBundle
from tinyml.ir.graph import Graph
from tinyml.ir.text import to_text
from tinyml.memory.plan import MemoryPlan
from tinyml.pipeline import STAGES
from tinyml.profile import Profile
from tinyml.quantize import QuantizedModel
from tinyml.schedule.model import Schedule


def dump_artifact(stage: str, artifact: object, folder: Path) -> Path:
    """Writes one artifact below `folder`, named by the stage and its number; returns the file or folder."""
    target = folder / f"{list(STAGES).index(stage) + 1}-{stage}"
    folder.mkdir(parents=True, exist_ok=True)
    match artifact:
        case Graph():
            return _text(target, to_text(artifact))
        case QuantizedModel():
            head = f"# {artifact.scheme}, {'calibrated' if artifact.calibrated else 'not calibrated'}\n"
            return _text(target, head + to_text(artifact.graph))
        case Schedule():
            return _json(target, schedule_document(artifact))
        case MemoryPlan():
            return _json(target, plan_document(artifact))
        case SourceBundle():
            write_sources(artifact, target)
            return target
        case FirmwareImage():
            target.mkdir(exist_ok=True)
            for file in (artifact.elf, artifact.bin, artifact.hex):
                shutil.copy2(file, target / file.name)
            return target
        case Profile():
            return _json(target, asdict(artifact))
    raise TypeError(f"stage {stage} made a {type(artifact).__name__}, which has no written form")


def write_sources(bundle: SourceBundle, folder: Path) -> None:
    """Writes the emitted files, with \\n line ends on every system."""
    for path, text in bundle.files.items():
        write_file(folder / path, text.encode())


def schedule_document(schedule: Schedule) -> dict[str, object]:
    """The stages with the kernel of every node, why it was taken, and what was not."""
    return {
        "objective": schedule.objective.value,
        "stages": [
            {
                "kind": stage.kind.value,
                "rings": {name: lines for name, lines in stage.trace.lines.items() if len(stage.nodes) > 1},
                "nodes": [
                    {
                        "name": node.name,
                        "tile_rows": worker.tile,
                        "op": node.op.value,
                        "kernel": schedule.kernel(node).symbol,
                        "reason": schedule.selections[node.name].reason,
                        "rejected": dict(schedule.selections[node.name].rejected),
                    }
                    for worker, node in zip(stage.stream.workers, stage.nodes, strict=True)
                ],
            }
            for stage in schedule.stages
        ],
    }


def plan_document(plan: MemoryPlan) -> dict[str, object]:
    """Arenas, and every buffer with its place and lifetime (in steps)."""
    return {
        "arenas": [asdict(arena) for arena in plan.arenas],
        "input_preserved": plan.input_preserved,
        "buffers": [
            {
                "name": p.buffer.name,
                "kind": p.buffer.kind.value,
                "arena": p.arena,
                "offset": p.offset,
                "bytes": p.buffer.bytes,
                "first_step": p.buffer.lifetime.first,
                "last_step": p.buffer.lifetime.last,
                "values": list(p.buffer.values),
            }
            for p in plan.placements.values()
        ],
    }


def _text(target: Path, text: str) -> Path:
    path = target.with_suffix(".txt")
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _json(target: Path, document: object) -> Path:
    path = target.with_suffix(".json")
    path.write_text(json.dumps(document, indent=2, default=_plain) + "\n", encoding="utf-8", newline="\n")
    return path


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return value.name
    raise TypeError(f"{type(value).__name__} has no JSON form")
