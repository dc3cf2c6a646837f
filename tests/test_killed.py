"""A run that is killed again and again, and goes on each time with another number of devices, computes what it would have computed in one go."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_distributed import assert_equal, final, network, recorded

import jaxnest as jn
from jaxnest import distributed

_SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np
from jaxnest import distributed
from test_distributed import network, recorded, final
net, of = network("stdp")
sim = distributed.Simulation(net, seed=int(sys.argv[1]), mesh=distributed.mesh_of(int(sys.argv[1])))
sim.resume({folder!r})
print(round(sim.time / net.h), flush=True)
sim.run({time} - sim.time, checkpoint={folder!r}, every={every})
np.savez({out!r}, *recorded(sim, of), *final(sim))
"""
_PATIENCE = 300.0  # s for a process to get to its next checkpoint
_AT_MOST = 2  # checkpoints that a process writes after its first before it is killed, so that the run lasts for all kills


def _done(folder: Path) -> int:
    """The steps done at the last checkpoint that is complete."""
    return max((int(f.name) for f in folder.glob("*") if f.name.isdigit()), default=0)


def _being_written(folder: Path) -> bool:
    return any(re.search("tmp", f.name) for f in folder.glob("*"))


def _killed(process: subprocess.Popen, folder: Path, interval: int, wait: float) -> tuple[int, bool]:
    """Kill a run at some moment, `wait` seconds after its first checkpoint or earlier. The steps that it began with, and whether it was writing a
    checkpoint."""
    assert process.stdout is not None
    begun = int(process.stdout.readline())
    until = time.monotonic() + _PATIENCE
    while _done(folder) <= begun:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.002)
    until = time.monotonic() + wait
    while time.monotonic() < until and _done(folder) <= begun + _AT_MOST * interval:
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    return begun, _being_written(folder)


@pytest.mark.parametrize(
    ("kills", "duration", "every", "devices"),
    [(2, 30.0, 4.0, (2, 4)), pytest.param(20, 600.0, 7.5, (1, 3, 2, 4), marks=pytest.mark.slow)],
)
def test_kills_change_nothing(kills, duration, every, devices, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    net, of = network("stdp")
    folder, out = tmp_path / "run", tmp_path / "out.npz"
    script = _SCRIPT.format(tests=str(Path(__file__).parent), folder=str(folder), out=str(out), time=duration, every=every)
    interval = round(every / net.h)
    rng = np.random.default_rng(6)

    def begin(k: int) -> subprocess.Popen:
        command = [sys.executable, "-c", script, str(devices[k % len(devices)])]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))

    begun, writing = [], 0
    for k in range(kills):
        with begin(k) as process:
            try:
                at, interrupted = _killed(process, folder, interval, rng.uniform(0.0, 1.0))
            finally:
                process.kill()
        begun.append(at)
        writing += interrupted
    with begin(kills) as process:
        assert process.communicate()[0].strip() and process.returncode == 0
    print(f"{kills} kills, {writing} of them while a checkpoint was written; begun at the steps {begun}")
    assert (np.diff(begun) > 0).all(), "a checkpoint was lost"
    assert writing > 0 or kills < 10
    sim = jn.Simulation(net, seed=devices[0], delivery="events").run(duration)
    assert len(sim.spikes(of["spikes"])) > 100
    with np.load(out) as found:
        assert_equal(found.values(), (*recorded(sim, of), *final(sim)))


_PROCESS = """
import os, signal, sys, threading, time
sys.path.insert(0, {tests!r})
from pathlib import Path
import jax, numpy as np
from jaxnest import distributed
from test_distributed import network, recorded, final
from test_killed import _done
folder, wait = Path({folder!r}), float(sys.argv[1])
net, of = network("stdp")
sim = distributed.Simulation(net, seed=2)
sim.resume(folder)
begun = round(sim.time / net.h)

def die():
    while _done(folder) <= begun:
        time.sleep(0.002)
    time.sleep(wait)
    os.kill(os.getpid(), signal.SIGKILL)

if wait >= 0 and jax.process_index() == 1:
    threading.Thread(target=die, daemon=True).start()
sim.run(60.0 - sim.time, checkpoint=folder, every=2.0)
found = (*recorded(sim, of), *final(sim))
if jax.process_index() == 0:
    np.savez({out!r}, begun=begun, *found)
"""


@pytest.mark.slow
def test_one_of_several_processes_is_killed(tmp_path, monkeypatch):
    """And the run goes on with another number of processes."""
    pytest.importorskip("orbax.checkpoint")
    monkeypatch.setenv("XLA_FLAGS", "")
    script, folder, out = tmp_path / "script.py", tmp_path / "run", tmp_path / "out.npz"
    script.write_text(_PROCESS.format(tests=str(Path(__file__).parent), folder=str(folder), out=str(out)))
    for processes, wait in ((2, 0.3), (3, 1.1)):
        assert distributed.launch(processes, str(script), [str(wait)]) == 128 + signal.SIGKILL
    assert distributed.launch(2, str(script), ["-1"]) == 0
    net, of = network("stdp")
    sim = jn.Simulation(net, seed=2, delivery="events").run(60.0)
    with np.load(out) as found:
        assert found["begun"] > 0
        assert_equal([found[f"arr_{i}"] for i in range(10)], (*recorded(sim, of), *final(sim)))
