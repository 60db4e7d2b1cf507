"""Experiments: methods on benchmarks, measured, in tables."""
