"""Benchmarks: `python -m benchmarks brunel --against nest`.

A benchmark is a module with a `SPEC` and one function for each simulator, `jaxnest`, `nest`, `brian2`, that takes a
`Request` and returns what it measured. Every call of one is made in a process of its own (`_worker`), so that memory,
threads and compiled programs are that run's alone; the calling process imports no simulator.
"""
