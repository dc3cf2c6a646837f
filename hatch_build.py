"""Compiles the C++ lowering when jaxnest is installed. Without a compiler the install succeeds, and XLA delivers."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: what a library may use of the processor, the most first; the loader takes the first that runs
VARIANTS = {"x86_64": ("x86-64-v3", "x86-64"), "AMD64": ("x86-64-v3", "x86-64")}
#: sums must be those of XLA bit by bit, so products and sums are not contracted
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fPIC")


class NativeBuildHook(BuildHookInterface):
    """Builds ``jaxnest/events/native/_native-VARIANT.MARK.so``; the mark is of the sources, so what is there is not built again."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        folder = Path(self.root) / "jaxnest" / "events" / "native"
        try:
            libraries = build(folder)
        except (OSError, RuntimeError, ImportError) as fault:
            self.app.display_warning(f"jaxnest: no C++ lowering, XLA will deliver spikes: {fault}")
            libraries = []
        for old in {*folder.glob("_native-*.so")} - {*libraries}:
            old.unlink()
        if not libraries:
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"] += [str(path.relative_to(self.root)) for path in libraries]


def build(folder: Path) -> list[Path]:
    """Compile all sources of `folder`; returns the libraries. **Raises:** if there is no compiler, or it fails."""
    if os.environ.get("JAXNEST_NATIVE") == "0":
        raise RuntimeError("JAXNEST_NATIVE=0")
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "c++")), None)
    if compiler is None:
        raise RuntimeError("no C++ compiler (g++, clang++) is installed")
    import jaxlib

    headers = Path(jaxlib.__file__).parent / "include"
    sources = sorted(folder.glob("*.cpp"))
    digest = hashlib.sha256(f"{compiler} {FLAGS} {jaxlib.__version__}".encode())
    for file in (*sources, *sorted(folder.glob("*.h")), *sorted(folder.glob("*.inc"))):
        digest.update(file.read_bytes())
    variants = _variants()
    libraries = [folder / f"_native-{variant or 'generic'}.{digest.hexdigest()[:8]}.so" for variant in variants]
    if all(library.exists() for library in libraries):
        return libraries
    with tempfile.TemporaryDirectory() as scratch:

        def compile_one(job: tuple[str, Path]) -> Path:
            variant, source = job
            out = Path(scratch) / f"{source.stem}-{variant}.o"
            tuned = [f"-march={variant}"] if variant else []
            _run([compiler, *FLAGS, *tuned, "-isystem", str(headers), "-c", str(source), "-o", str(out)])
            return out

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [(variant, source) for variant in variants for source in sources]
            objects = list(pool.map(compile_one, jobs))
        for k, library in enumerate(libraries):
            mine = objects[k * len(sources) : (k + 1) * len(sources)]
            _run([compiler, "-shared", *map(str, mine), "-o", str(library)])
    return libraries


def _variants() -> tuple[str, ...]:
    """For this processor, where it can be told, since that is where a source install is used; all with JAXNEST_NATIVE=all."""
    known = VARIANTS.get(platform.machine(), ("",))
    cpu = Path("/proc/cpuinfo")
    if len(known) == 1 or os.environ.get("JAXNEST_NATIVE") == "all" or not cpu.exists():
        return known
    flags = set(cpu.read_text().split())
    return known[:1] if {"avx2", "fma", "bmi2"} <= flags else known[1:]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
