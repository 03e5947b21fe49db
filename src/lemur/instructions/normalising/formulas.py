"""Formulas of web pages as TeX, each once: KaTeX and MathJax show the same formula as MathML, spans or images too."""

from collections.abc import Sequence

from bs4 import Tag

_BLOCK = {"katex-display", "MathJax_Display"}
# Classes of spans that hold one formula and nothing else.
_RENDERED = {"katex", "mwe-math-element", "MathJax", "MathJax_SVG", "MathJax_CHTML"} | _BLOCK
_WRITTEN = {"mi", "mn", "mo", "ms"}


def replace_formulas(tags: Sequence[Tag]) -> None:
    """Replace each formula by its TeX; a displayed formula becomes a paragraph. `tags`: all of a page, in its order."""
    # MathJax 2 renders beside the script that holds the TeX, so scripts come before the MathML that they make obsolete.
    for tag in tags:
        if tag.name == "script" and not tag.decomposed and str(tag.get("type", "")).startswith("math/tex"):
            _remove_rendering_before(tag)
            _put(tag, tag.get_text(), is_block="mode=display" in str(tag["type"]))
    for tag in tags:
        if not tag.decomposed and _name(tag) == "math":
            formula, is_block = tag, tag.get("display") == "block"
            for parent in tag.parents:
                if parent.name == "mjx-container" or _is_rendering(parent):
                    formula = parent
                    is_block = is_block or parent.get("display") == "true" or bool(_classes(parent) & _BLOCK)
            _put(formula, _source(tag), is_block=is_block)


def _is_rendering(tag: Tag) -> bool:
    return tag.name in ("span", "div") and bool(_classes(tag) & (_RENDERED if tag.name == "span" else _BLOCK))


def _put(formula: Tag, tex: str, *, is_block: bool) -> None:
    formula.clear(decompose=True)
    formula.append(tex.strip())
    formula.name = "p" if is_block else "span"


def _remove_rendering_before(script: Tag) -> None:
    for sibling in list(script.previous_siblings):
        if isinstance(sibling, Tag) and any(name.startswith("MathJax") for name in _classes(sibling)):
            sibling.decompose()
        elif isinstance(sibling, Tag) or str(sibling).strip():
            return


def _source(math: Tag) -> str:
    """The TeX that a page keeps beside its MathML, or else TeX made from the MathML."""
    for annotation in math.find_all("annotation"):
        if "tex" in str(annotation.get("encoding", "")).lower():
            return annotation.get_text()
    return str(math.get("alttext") or _tex(math))


def _tex(node: Tag) -> str:
    name = _name(node)
    if name in _WRITTEN:
        return node.get_text().strip()
    if name == "mtext":
        return rf"\text{{{node.get_text()}}}"
    if name in ("annotation", "annotation-xml", "mphantom"):
        return ""
    parts = [_tex(child) for child in node.children if isinstance(child, Tag)]
    # Text directly in <math> or <mrow> is not MathML, but some pages have it.
    text = "" if parts else node.get_text().strip()
    base, first, second = (*parts, "", "", "")[:3]
    match name, len(parts):
        case "semantics", _:
            return base or text
        case "msup" | "mover", 2:
            return f"{_group(base)}^{_group(first)}"
        case "msub" | "munder", 2:
            return f"{_group(base)}_{_group(first)}"
        case "msubsup" | "munderover", 3:
            return f"{_group(base)}_{_group(first)}^{_group(second)}"
        case "mfrac", 2:
            return rf"\frac{{{base}}}{{{first}}}"
        case "mroot", 2:
            return rf"\sqrt[{first}]{{{base}}}"
        case "msqrt", _:
            return rf"\sqrt{{{''.join(parts) or text}}}"
        case "mfenced", _:
            separator = str(node.get("separators", ","))[:1]
            return f"{node.get('open', '(')}{separator.join(parts) or text}{node.get('close', ')')}"
        case "mtr" | "mlabeledtr", _:
            return " & ".join(parts)
        case "mtable", _:
            return r"\begin{matrix} " + r" \\ ".join(parts) + r" \end{matrix}"
        case "mspace", _:
            return " "
    return "".join(parts) or text


def _group(tex: str) -> str:
    return tex if len(tex) == 1 else f"{{{tex}}}"


def _name(tag: Tag) -> str:
    """The element's name without a prefix such as `mml:`."""
    return tag.name.rpartition(":")[2]


def _classes(tag: Tag) -> set[str]:
    return set(tag.get("class") or [])
