"""Measurements: replays of published runs, orders of convergence, cost, and what edits achieve on the lab."""
