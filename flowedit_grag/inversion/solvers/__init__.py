"""One-step solvers, one a file. A new one is a file with a ``Solver`` in it, and a line in ``inversion.SOLVERS``."""
