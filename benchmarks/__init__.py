"""Benchmarks: each prints JSON lines that compare a figure with another of the same run."""
