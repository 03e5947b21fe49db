"""Jupyter notebooks as text: Markdown cells and code cells in order, without outputs."""

from typing import Any

from lemur.sources.reading.values import FieldError, parse

NOTEBOOK = "Jupyter Notebook"  # The Stack's name of the language


def notebook_text(content: str) -> str:
    """Cells as `# %% [markdown]` and `# %%` blocks, the percent format that Jupytext and editors read.

    Outputs (images, tracebacks, progress bars) are left out. Raises `TypeError` if `content` is not a notebook, and
    `FieldError` like `parse`.
    """
    try:
        notebook = parse(content)
        # nbformat 3 keeps its cells in worksheets.
        sheets = notebook.get("worksheets", [notebook])
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        parts = [part for cell in cells if (part := _cell(cell))]
    except FieldError:
        raise
    except (ValueError, KeyError, AttributeError) as error:
        raise TypeError(f"content is no notebook: {error!r}") from None
    return "\n\n".join(parts) + "\n" if parts else ""


def _cell(cell: dict[str, Any]) -> str | None:
    source = cell.get("source", cell.get("input", ""))
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        raise TypeError(f"a cell's source is {source!r:.50}; a string or a list of strings is allowed")
    text = "".join(lines).strip("\n")
    if not text.strip():
        return None
    match cell["cell_type"]:
        case "code":
            return f"# %%\n{text}"
        case "markdown" | "heading" | "raw":
            return "# %% [markdown]\n" + "\n".join(f"# {line}".rstrip() for line in text.split("\n"))
        case _:
            return None
