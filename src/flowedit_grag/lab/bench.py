"""``python -m flowedit_grag.lab.bench``: measure everything that README's table claims, on this machine."""

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m flowedit_grag.lab.bench", description=__doc__)
    parser.add_argument("--golden", type=Path, default=Path("tests/golden"), help="recorded runs; skipped where absent")
    parser.add_argument("--scenes", type=int, default=20, help="held-out scenes for each task and method")
    parser.add_argument("-o", "--output", type=Path, help="also write the table here, as Markdown")
    given = parser.parse_args()

    from ..evaluation.bench import rows

    golden = given.golden if given.golden.is_dir() else None
    lines = ["| what | asked | measured |", "|---|---|---|"]
    print("\n".join(lines), flush=True)
    for row in rows(golden, given.scenes):
        print(row, flush=True)
        lines.append(str(row))
    if given.output:
        given.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
