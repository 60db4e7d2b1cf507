"""``python -m flowedit_grag.lab.bench``: the address of the table's command; the work is done on the top floor."""

if __name__ == "__main__":
    from ..cli.arguments import quiet_libraries

    quiet_libraries()  # before they are imported
    from ..cli.bench import main

    main()
