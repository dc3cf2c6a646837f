"""One measurement in a process of its own: `python -m benchmarks._worker REQUEST ANSWER`, JSON and a file for JSON."""

from __future__ import annotations

import importlib
import json
import os
import sys

from ._memory import peak_mb
from ._request import Request


def main() -> None:
    request = Request(**json.loads(sys.argv[1]))
    if hasattr(os, "sched_setaffinity"):
        # before JAX is imported: XLA makes as many threads as it may use processors
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: request.threads])
    module = importlib.import_module(f"benchmarks.{request.benchmark}")
    answer = getattr(module, request.side)(request)
    answer.setdefault("peak_mb", peak_mb())
    with open(sys.argv[2], "w") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main()
