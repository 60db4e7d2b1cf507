"""``python -m flowedit_grag.lab.claims``: the address of the command; the work is done on the top floor."""

if __name__ == "__main__":
    from ..cli.claims import main

    main()
