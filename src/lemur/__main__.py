"""The command line: `lemur COMMAND`; `lemur COMMAND --help` teaches each one.

Stages start with `lemur run` too: typer adds 35 ms to the 0.2 s that this takes, too little for a parser of its own.
"""

import sys


def main() -> None:
    from lemur.commands.app import parse

    parse(sys.argv[1:])()


if __name__ == "__main__":
    from lemur.core.environment_variables import enter

    enter()
    main()
