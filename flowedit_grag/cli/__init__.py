"""The ``flowedit-grag`` command. Nothing here imports torch until a command needs it."""
