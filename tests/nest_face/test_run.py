"""`jaxnest run script.py`: NEST's scripts as they are."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import nest
import nest.raster_plot
import nest.voltage_trace
from nest import spatial
from nest.lib.hl_api_exceptions import NESTErrors
import beside

assert __name__ == "__main__"
nest.ResetKernel()
neurons = nest.Create("iaf_psc_alpha", positions=spatial.grid([2, 1]))
neurons.I_e = float(sys.argv[1])
recorder = nest.Create("spike_recorder")
nest.Connect(neurons, recorder)
nest.Simulate(10.0)
print(nest.__name__, recorder.n_events, sys.argv[1:], beside.NUMBER, callable(nest.raster_plot.from_device))
"""


def run(*arguments):
    command = [sys.executable, "-m", "jaxnest._cli", "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture
def script(tmp_path):
    (tmp_path / "beside.py").write_text("NUMBER = 7\n")
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.replace("from nest.lib.hl_api_exceptions import NESTErrors\n", ""))
    return path


def test_a_script_runs_unchanged(script):
    done = run(script, "1000.0", "--shown", "-x")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "jaxnest.nest 2 ['1000.0', '--shown', '-x'] 7 True"


def test_a_missing_script_and_a_failing_one(tmp_path):
    done = run(tmp_path / "none.py")
    assert done.returncode != 0 and "there is no file" in done.stderr
    failing = tmp_path / "failing.py"
    failing.write_text("import nest\nnest.Create('no_such_model')\n")
    done = run(failing)
    assert done.returncode == 1 and "no_such_model is not a known model name" in done.stderr
    leaving = tmp_path / "leaving.py"
    leaving.write_text("import sys\nsys.exit(3)\n")
    assert run(leaving).returncode == 3
