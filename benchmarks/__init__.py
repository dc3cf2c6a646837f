"""Benchmarks: `python -m benchmarks brunel --against nest`."""
