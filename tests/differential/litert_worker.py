"""The process in which `litert_batch` lets LiteRT run: models and inputs from one file, outputs to another."""

import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def main(given: str, taken: str) -> None:
    results: dict[str, np.ndarray] = {}
    with np.load(given) as stored:
        for c in range(sum(name.endswith("/model") for name in stored.files)):
            try:
                interpreter = Interpreter(
                    model_content=stored[f"{c}/model"].tobytes(),
                    experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                )
                interpreter.allocate_tensors()
                for r in range(int(stored[f"{c}/runs"])):
                    for i, detail in enumerate(interpreter.get_input_details()):
                        interpreter.set_tensor(detail["index"], stored[f"{c}/{r}/{i}"])
                    interpreter.invoke()
                    read = [d["index"] for d in interpreter.get_output_details()] + list(stored[f"{c}/states"])
                    results |= {f"{c}/{r}/{i}": interpreter.get_tensor(int(n)) for i, n in enumerate(read)}
            except (RuntimeError, ValueError) as e:
                results[f"{c}/error"] = np.array(str(e))
    np.savez(taken, **results)
    os._exit(0)  # before LiteRT frees what a kernel may have spoilt


if __name__ == "__main__":
    main(*sys.argv[1:])
