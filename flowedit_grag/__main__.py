"""``python -m flowedit_grag`` is ``flowedit-grag``."""

from .cli.main import run

if __name__ == "__main__":
    run()
