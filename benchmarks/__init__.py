"""Measurements that are no edits: replays, orders of convergence, cost."""
