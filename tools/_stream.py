"""A pytest plugin: what happens is written line by line as JSON, so that a crash loses nothing.

Loaded by `-p _stream`. `JAXNEST_STREAM` names the file to append to; `JAXNEST_DONE` a JSON file with the IDs of cases to leave out,
those that an earlier process has finished. Events: "file" (its collection begins), "broken" (it failed), "collected", "start",
"report" (one of set-up, call, tear-down), "finish" and "end".
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


class Stream:
    """The hooks, and the file they write to."""

    def __init__(self, target: Path, done: set[str]) -> None:
        self.file = target.open("a", buffering=1)
        self.done = done

    def write(self, event: str, **content: object) -> None:
        self.file.write(json.dumps({"event": event, **content}) + "\n")

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        if isinstance(collector, pytest.Module):
            self.write("file", file=collector.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            reason, where = explain(report)
            self.write("broken", file=report.nodeid.split("::")[0], reason=reason, where=where)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        self.write("collected", ids=[item.nodeid for item in items])
        finished = [item for item in items if item.nodeid in self.done]
        config.hook.pytest_deselected(items=finished)
        items[:] = [item for item in items if item.nodeid not in self.done]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.write("start", id=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = "xfailed" if report.skipped and hasattr(report, "wasxfail") else report.outcome
        reason, where = ("", "") if report.passed else explain(report)
        what = {"when": report.when, "outcome": outcome, "seconds": report.duration, "reason": reason, "where": where}
        self.write("report", id=report.nodeid, **what)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.write("finish", id=nodeid)

    def pytest_sessionfinish(self) -> None:
        self.write("end")


def explain(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str]:
    """One line of why a report is not "passed", and where in which file that was raised."""
    long = report.longrepr
    if isinstance(long, tuple):  # skipped
        path, line, reason = long
        return f"{reason}", f"{Path(path).name}:{line}"
    crash = getattr(long, "reprcrash", None)
    if crash is not None:
        return crash.message.splitlines()[0] if crash.message else "no message", f"{Path(crash.path).name}:{crash.lineno}"
    text = [line for line in report.longreprtext.splitlines() if line.strip()]
    raised = [line[1:].strip() for line in text if line.startswith("E  ")]
    # the last exception of a chain is what stopped the import; its message may go over several lines
    heads = [line for line in raised if ":" in line or line.endswith(("Error", "Exception"))]
    return (heads[-1:] or raised[-1:] or text[-1:] or ["no message"])[0], ""


def pytest_configure(config: pytest.Config) -> None:
    done = os.environ.get("JAXNEST_DONE")
    finished = set(json.loads(Path(done).read_text())) if done else set()
    config.pluginmanager.register(Stream(Path(os.environ["JAXNEST_STREAM"]), finished), "jaxnest-stream")
