"""What a model reads of a cell: MINT's texts (mint/tools/python_tool.py), equal on every machine."""

import re
import sys
import tempfile

NO_OUTPUT = "[Executed Successfully with No Output]"
TRUNCATED = "...\n[Output Truncated]"
VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
PACKAGES, STANDARD_LIBRARY = f"/usr/local/lib/{VERSION}/dist-packages/", "/usr/lib/"
"""Where tracebacks say that files are, as in MINT's published trajectories."""
SCRATCH = re.compile(rf"{re.escape(tempfile.gettempdir())}/lemur-\w{{8}}")
"""A landlocked session's working folder."""
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,16}\b")


def observation(printed: str, characters: int, packages: str, library: str) -> str:
    """The text for what a cell printed, at most `characters` long before the mark of a cut.

    `packages` is where the installed libraries are in the sandbox, `library` where the interpreter's own ones are."""
    text = printed.encode("utf-8", "replace").decode()  # lone surrogates can be in no file
    text = text.replace(f"{packages}/", PACKAGES).replace(f"{library}/", STANDARD_LIBRARY)
    text = SCRATCH.sub("/box", text)
    text = ADDRESS.sub("at 0x", text)
    if not text:
        return NO_OUTPUT
    return text if len(text) <= characters else text[:characters] + TRUNCATED


def stopped(reason: str) -> str:
    """The text for a session that ended during a cell."""
    return f"The Python session was stopped: {reason}. A new one starts with the next cell; its variables are lost."
