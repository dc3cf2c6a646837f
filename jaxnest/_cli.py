"""The command line: `jaxnest demo`, `jaxnest run`, `jaxnest launch`, `jaxnest info`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, or 2 for wrong input, 1 for a fault while simulating."""
    arguments = _parser().parse_args(argv)
    from jaxnest.errors import ConfigurationError, JaxnestError

    try:
        return int(arguments.command(arguments))
    except ConfigurationError as error:
        print(f"jaxnest: {error}", file=sys.stderr)
        return 2
    except JaxnestError as error:
        print(f"jaxnest: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("jaxnest: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jaxnest", description="NEST's networks of spiking neurons, on JAX.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    demo = commands.add_parser(
        "demo",
        help="simulate a cortical microcircuit, then fit its drive by gradient descent",
        description="Simulates the cortical microcircuit of Potjans & Diesmann (2014), down-scaled, and compares its "
        "populations with those at full scale; then finds, by gradient descent through the simulation of a smaller "
        "copy, the external drive of each population from the rates alone. Below two minutes on two cores.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.add_argument("--scale", type=float, default=0.1, help="size of the microcircuit, in (0, 1]")
    demo.add_argument("--time", type=float, default=10000.0, help="biological time after the transient of 500, ms")
    demo.add_argument("--seed", type=int, default=1, help="of all random numbers")
    demo.add_argument("--steps", type=int, default=50, help="of the gradient descent; 0 leaves it out")
    demo.add_argument("--out", type=Path, default=Path("demo_output"), help="folder for the figures")
    demo.add_argument("--no-progress", action="store_true", help="no progress bars")
    demo.set_defaults(command=_demo)
    run = commands.add_parser(
        "run",
        help="run a script of PyNEST unchanged",
        description="Runs a script written for NEST 3.10 as it is: its `import nest` finds jaxnest. What differs from NEST "
        "stands in docs/differences_from_nest.md.",
    )
    run.add_argument("script", help="the Python file")
    run.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script finds in sys.argv[1:]")
    run.set_defaults(command=_run)
    launch = commands.add_parser(
        "launch",
        help="run a script in several processes",
        description="Runs a script that uses jaxnest.distributed in several processes of this machine, which together are one run: a try-out "
        "of what SLURM or mpirun do on a cluster.",
    )
    launch.add_argument("-n", type=int, required=True, metavar="N", help="how many processes")
    launch.add_argument("script", help="the Python file")
    launch.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script finds in sys.argv[1:]")
    launch.set_defaults(command=_launch)
    info = commands.add_parser("info", help="versions, devices, lowerings, caches")
    info.set_defaults(command=_info)
    return parser


def _demo(arguments: argparse.Namespace) -> int:
    from jaxnest.demo import run

    run(
        scale=arguments.scale,
        time=arguments.time,
        seed=arguments.seed,
        steps=arguments.steps,
        out=arguments.out,
        progress=not arguments.no_progress,
    )
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from jaxnest.nest.__main__ import run

    run(arguments.script, arguments.arguments)
    return 0


def _launch(arguments: argparse.Namespace) -> int:
    from jaxnest.distributed import launch

    return launch(arguments.n, arguments.script, arguments.arguments)


def _info(_: argparse.Namespace) -> int:
    import platform

    import jax
    import jaxlib
    import numpy

    import jaxnest
    from jaxnest._cache import cache_folder, enable_compilation_cache
    from jaxnest.events import native

    enable_compilation_cache()
    folder = jax.config.values["jax_compilation_cache_dir"]
    rows = {
        "jaxnest": jaxnest.__version__,
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "numpy": numpy.__version__,
        "python": f"{platform.python_version()} ({platform.system()} {platform.machine()})",
        "devices": ", ".join(f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()),
        "precision": "float64 (x64 on)" if jax.config.values["jax_enable_x64"] else "float32 (x64 off)",
        "delivery": "C++ on the CPU" if native.available() else "XLA",
        "C++ lowering": native.status(),
        "compilation cache": f"off (else {cache_folder()})" if folder is None else f"{folder}, {_size(Path(folder))}",
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
    return 0


def _size(folder: Path) -> str:
    """How much the files of a folder hold."""
    sizes = [f.stat().st_size for f in folder.rglob("*") if f.is_file()] if folder.is_dir() else []
    return f"{sum(sizes) / 1e6:.1f} MB in {len(sizes)} files"


if __name__ == "__main__":
    raise SystemExit(main())
