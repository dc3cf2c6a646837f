"""Runs files of tests in pytest processes that may hang or crash, and says what became of every case."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from _common import environment, last_line, stand_in

POLL = 0.1
START_LIMIT = 180.0
"""Seconds until pytest has to say its first word (imports of JAX and of NEST's tests' helpers on a busy machine)."""
CHANCES = 3
"""Crashes or time-outs after which the rest of a file is given up."""
WORST = ("passed", "xfailed", "skipped", "failed", "errored", "crashed", "timeout")


@dataclass
class Case:
    """What became of one case: an outcome out of `WORST` (or "not collected"), the seconds it took, why and where."""

    outcome: str = "passed"
    seconds: float = 0.0
    reason: str = ""
    where: str = ""

    def add(self, outcome: str, reason: str, where: str, seconds: float = 0.0) -> None:
        """One more report (a part of the case, or a subtest); the worst one is what counts."""
        self.seconds += seconds
        if WORST.index(outcome) > WORST.index(self.outcome):
            self.outcome, self.reason, self.where = outcome, reason, where


@dataclass
class Results:
    """What pytest said about some files: cases that ended, IDs that it collected, files it could not collect (with the reason)."""

    cases: dict[str, Case] = field(default_factory=dict)
    collected: set[str] = field(default_factory=set)
    broken: dict[str, str] = field(default_factory=dict)

    def update(self, other: Results) -> None:
        self.cases |= other.cases
        self.collected |= other.collected
        self.broken |= other.broken


@dataclass(frozen=True)
class Settings:
    """How to run: the folder of the tests, what takes the place of `nest`, seconds a case may take."""

    root: Path
    module: str = "jaxnest"
    timeout: float = 60.0
    only_collect: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the tool is interrupted: processes are killed at once."""


class Follower:
    """Reads the events of one pytest process as they are written, into `results`."""

    def __init__(self, path: Path, results: Results) -> None:
        self.results = results
        self.path = path
        self.offset = 0
        self.file = ""
        self.case = ""
        self.open: dict[str, Case] = {}
        self.ended = False
        self.said_anything = False

    def read(self) -> bool:
        """Take in what is new; whether there was anything."""
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.splitlines():
            self.take(json.loads(line))
        self.said_anything |= bool(whole)
        return bool(whole)

    def take(self, event: dict) -> None:
        match event["event"]:
            case "file":
                self.file = event["file"]
            case "broken":
                self.results.broken[event["file"]] = f"{event['reason']} {event['where']}".strip()
            case "collected":
                self.file = ""
                self.results.collected.update(event["ids"])
            case "start":
                self.case = event["id"]
                self.open[self.case] = Case()
            case "report":
                failed = "failed" if event["when"] == "call" else "errored"
                outcome = failed if event["outcome"] == "failed" else event["outcome"]
                self.open[event["id"]].add(outcome, event["reason"], event["where"], event["seconds"])
            case "finish":
                self.results.cases[event["id"]] = self.open.pop(event["id"])
                self.case = ""
            case "end":
                self.ended = True


def run_files(files: Sequence[str], settings: Settings) -> Results:
    """Run files (relative to the root) in one pytest process after another: a crash costs the case it happens in.

    After `CHANCES` crashes or time-outs in a file, the cases of it that are left count as crashed.
    """
    results = Results()
    left = list(files)
    chances = dict.fromkeys(files, CHANCES)
    while left:
        with tempfile.TemporaryDirectory(prefix="jaxnest-tests-") as folder:
            follower, verdict, tail = one_process(left, settings, results, Path(folder))
        if not verdict:
            break
        outcome, reason = verdict
        culprit = follower.case.split("::")[0] or follower.file
        if follower.case:
            results.cases[follower.case] = Case(outcome, settings.timeout if outcome == "timeout" else 0.0, reason)
        elif culprit:
            results.broken[culprit] = f"{outcome} while it was imported: {reason}"
            chances[culprit] = 0
        if culprit not in chances:  # before the first file, or after the last case: nothing is gained by another attempt
            stop(left, results, f"pytest stopped: {reason}: {tail}")
            break
        chances[culprit] -= 1
        if chances[culprit] <= 0:
            stop([culprit], results, f"file given up after {CHANCES} crashes or time-outs")
            left.remove(culprit)
    return results


def stop(files: Sequence[str], results: Results, reason: str) -> None:
    """Close files of which nothing more will be run."""
    for file in files:
        known = [case for case in results.collected if case.split("::")[0] == file]
        if not known:
            results.broken.setdefault(file, reason)
        for case in known:
            results.cases.setdefault(case, Case("crashed", reason=reason))


def one_process(
    files: Sequence[str], settings: Settings, results: Results, folder: Path
) -> tuple[Follower, tuple[str, str] | None, str]:
    """Run pytest once. Returns how far it came, a verdict (outcome, reason) if it did not end well, and its last line."""
    stream = folder / "stream"
    stream.touch()
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "done").write_text(json.dumps(sorted(results.cases)))
    (folder / "cwd").mkdir()
    first = stand_in(settings.module)
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(folder / "pytest.ini"), f"--rootdir={settings.root}"]
    command += ["-p", "no:cacheprovider", "--continue-on-collection-errors", "--tb=short", "--no-header", "--no-summary"]
    command += [*(["-p", first] if first else []), "-p", "_stream", *(["--collect-only"] if settings.only_collect else [])]
    command += [str(settings.root / file) for file in files]
    variables = {"JAXNEST_STREAM": str(stream), "JAXNEST_DONE": str(folder / "done"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    follower = Follower(stream, results)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder / "cwd",
            env=environment(**variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        verdict = watch(process, follower, settings)
    tail = last_line((folder / "output").read_text(errors="replace"))
    return follower, verdict, tail


def watch(process: subprocess.Popen, follower: Follower, settings: Settings) -> tuple[str, str] | None:
    """Wait for the end of the process; kill it, and what it started, when nothing has happened for too long."""
    since = time.monotonic()
    while process.poll() is None:
        time.sleep(POLL)
        if follower.read():
            since = time.monotonic()
        limit = settings.timeout if follower.case else max(settings.timeout, START_LIMIT)
        if time.monotonic() - since > limit or settings.stop.is_set():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            follower.read()
            return "timeout", f"more than {limit:g} s"
    follower.read()
    if process.returncode < 0:
        return "crashed", f"signal {signal.Signals(-process.returncode).name}"
    if not follower.ended or process.returncode not in (0, 1, 5):  # passed, failed, no tests
        return "crashed", f"exit status {process.returncode}"
    return None


def run_batches(
    batches: Sequence[Sequence[str]], settings: Settings, workers: int, progress: Callable[[Results], None]
) -> Results:
    """Run batches of files in `workers` processes at a time; `progress` is called with the results of each batch."""
    waiting: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()
    for batch in batches:
        waiting.put(batch)
    total = Results()
    lock = threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        while not settings.stop.is_set():
            try:
                batch = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                results = run_files(batch, settings)
                with lock:
                    total.update(results)
                    progress(results)
            except BaseException as problem:
                failures.append(problem)
                settings.stop.set()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        settings.stop.set()
    if failures:
        raise failures[0]
    return total
