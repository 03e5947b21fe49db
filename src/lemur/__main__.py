"""The command line: `lemur COMMAND`; `lemur COMMAND --help` teaches each one.

Stages start with `lemur run` too: typer adds 35 ms to the 0.2 s that this takes, too little for a parser of its own.
"""

import sys


def main() -> None:
    from lemur.commands.app import parse
    from lemur.core.disk import is_full

    work = parse(sys.argv[1:])
    try:
        work()
    except Exception as error:
        if not is_full(error):
            raise
        raise SystemExit(f"The disk is full ({error}); free some space and run the same command again") from None


if __name__ == "__main__":
    # This far any Python 3 gets, but not through the imports.
    if sys.version_info[:2] not in ((3, 11), (3, 12)):
        sys.exit(
            "lemur: Python 3.11 or 3.12 is needed, this is %d.%d; `make setup`, then use .venv/bin/lemur"  # noqa: UP031
            % sys.version_info[:2]
        )
    from lemur.core.environment_variables import enter

    enter()
    main()
