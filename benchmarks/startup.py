"""From `python script.py` to its end: one `iaf_psc_alpha` driven by 376 pA, recorded for 1,000 ms.

sim_s is the wall clock of the whole process: imports, building, compiling or loading, running. Cold: nothing in the
folder of compiled programs. Warm: the second run with the same folder. NEST compiles nothing; it runs beside both.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time as clock
from pathlib import Path
from typing import Any

from ._memory import peak_mb
from ._request import Request, Spec

SPEC = Spec(cases=("cold", "warm"), real_time=False)
OURS = """
import jaxnest as jn

net = jn.Network(h=0.1)
neuron = net.create("iaf_psc_alpha", I_e=376.0)
voltmeter = net.create("voltmeter")
recorder = net.create("spike_recorder")
net.connect(voltmeter, neuron)
net.connect(neuron, recorder)
sim = jn.Simulation(net, seed={seed}, **{options}).run({time})
print(len(sim.spikes(recorder)))
"""
NEST = """
import nest

nest.verbosity = nest.VerbosityLevel.ERROR
nest.set(rng_seed={seed}, local_num_threads=1)
neuron = nest.Create("iaf_psc_alpha", params={{"I_e": 376.0}})
voltmeter = nest.Create("voltmeter")
recorder = nest.Create("spike_recorder")
nest.Connect(voltmeter, neuron)
nest.Connect(neuron, recorder)
nest.Simulate({time})
print(recorder.n_events)
"""


def jaxnest(request: Request) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        # jaxnest's own default place for compiled programs, below the user's cache folder
        environment = {k: v for k, v in os.environ.items() if k not in ("JAXNEST_CACHE", "JAX_COMPILATION_CACHE_DIR")}
        environment["XDG_CACHE_HOME"] = folder
        if request.case == "warm":
            _run(OURS, request, folder, environment)
        return _run(OURS, request, folder, environment)


def nest(request: Request) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return _run(NEST, request, folder, dict(os.environ))


def _run(script: str, request: Request, folder: str, environment: dict[str, str]) -> dict[str, Any]:
    path = Path(folder) / "script.py"
    path.write_text(script.format(seed=request.seed, time=request.time, options=request.options))
    began = clock.perf_counter()
    done = subprocess.run([sys.executable, str(path)], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    ended = clock.perf_counter()
    spikes = int(done.stdout.split()[-1])
    return {"sim_s": ended - began, "rate_hz": spikes / request.time * 1e3, "peak_mb": peak_mb(resource.RUSAGE_CHILDREN)}
