"""HTML of scraped conversations to Markdown, and HTML that cannot be converted."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.instructions.fences import has_open_fence, without_fences
from lemur.instructions.normalising.cleaning import clean
from lemur.instructions.normalising.markup import MAX_DEPTH, MarkupError, html_to_markdown

MATHML = (
    '<math xmlns="http://www.w3.org/1998/Math/MathML"{display}><semantics><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow>'
    '{annotation}<annotation encoding="StarMath 5.0">x^{{2}} star</annotation></semantics></math>'
)
TEX = '<annotation encoding="application/x-tex">x^2</annotation>'
INLINE = MATHML.format(display="", annotation=TEX)
BARE = MATHML.format(display="", annotation="")
VISIBLE = '<span class="katex-html" aria-hidden="true"><span class="mord">x</span><span class="vlist">2</span></span>'
KATEX = f'<span class="katex"><span class="katex-mathml">{INLINE}</span>{VISIBLE}</span>'
MATHJAX = '<span class="MathJax_Preview">x2</span><span class="MathJax"><nobr>x2</nobr>{mathml}</span>'


@pytest.mark.parametrize(
    ("formula", "tex"),
    [
        (KATEX, "x^2"),
        (f'<span class="katex">{INLINE}</span>', "x^2"),
        (f'<span class="math math-inline">{KATEX}</span>', "x^2"),
        (INLINE, "x^2"),
        (BARE, "x^2"),
        (INLINE.replace("<math", "<mml:math").replace("</math", "</mml:math"), "x^2"),
        ('<math alttext="\\alpha"><mi>&alpha;</mi></math>', "\\alpha"),
        (f'<span class="mwe-math-element">{INLINE}<img alt="x^2" src="https://w.org/x"/></span>', "x^2"),
        (f"<mjx-container><svg><g>x2</g></svg><mjx-assistive-mml>{BARE}</mjx-assistive-mml></mjx-container>", "x^2"),
        (MATHJAX.format(mathml=BARE) + '<script type="math/tex">x^{2}</script>', "x^{2}"),
        (
            "<math><mfrac><mi>a</mi><msubsup><mi>b</mi><mi>i</mi><mn>10</mn></msubsup></mfrac></math>",
            r"\frac{a}{b_i^{10}}",
        ),
        (
            "<math><msqrt><mi>a</mi><mo>+</mo><mn>1</mn></msqrt><mroot><mi>b</mi><mn>3</mn></mroot></math>",
            r"\sqrt{a+1}\sqrt[3]{b}",
        ),
        (
            "<math><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr></mtable></math>",
            r"\begin{matrix} 1 & 2 \end{matrix}",
        ),
        ("<math><mfenced><mi>a</mi><mi>b</mi></mfenced><mtext>if </mtext></math>", r"(a,b)\text{if }"),
    ],
)
def test_a_formula_is_its_tex_once(formula: str, tex: str) -> None:
    assert clean(f"<p>So {formula} holds.</p>", html=True) == f"So {tex} holds."


@pytest.mark.parametrize(
    "formula",
    [
        f'<span class="katex-display">{KATEX}</span>',
        MATHML.format(display=' display="block"', annotation=TEX),
        f'<mjx-container display="true">{INLINE}</mjx-container>',
        '<div class="MathJax_Display">x2</div><script type="math/tex; mode=display">x^2</script>',
    ],
)
def test_a_displayed_formula_is_a_paragraph(formula: str) -> None:
    assert clean(f"<p>So {formula} holds.</p>", html=True) == "So\n\nx^2\n\nholds."


def test_a_wrapper_with_a_class_of_katex_keeps_its_text() -> None:
    assert clean(f'<div class="katex"><p>a {INLINE} b</p><p>c</p></div>', html=True) == "a x^2 b\n\nc"


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<p>H<sub>2</sub>O, x<sup>2</sup></p>", "H<sub>2</sub>O, x<sup>2</sup>"),
        ("<p>a<sup></sup> <code>x<sup>2</sup></code></p>", "a `x^2`"),
        ("<pre>10<sup>-6</sup> a<sub>i+1</sub> b<sub>ij</sub></pre>", "```\n10^-6 a_(i+1) b_ij\n```"),
        ("<table><tr><th>x<sup>2</sup></th></tr></table>", "| x<sup>2</sup> |\n| --- |"),
    ],
)
def test_indices_keep_their_meaning(html: str, markdown: str) -> None:
    assert clean(html, html=True) == markdown


@pytest.mark.parametrize(
    ("code", "fence"),
    [("```py\nx\n```", "````"), ("a ``` b", "````"), ("`````", "``````"), ("``", "```"), ("~~~\n", "```")],
)
def test_a_fence_is_longer_than_the_backticks_in_the_code(code: str, fence: str) -> None:
    text = clean(f'<p>See:</p><pre><code class="language-md">{code}</code></pre><p>End</p>', html=True)
    assert text == f"See:\n\n{fence}md\n{code.strip()}\n{fence}\n\nEnd"
    assert without_fences(text).split() == ["See:", "End"]
    assert not has_open_fence(text)


EMPTY_HEADER = "|  |  |\n| --- | --- |\n"


@pytest.mark.parametrize(
    ("rows", "markdown"),
    [
        ("<tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr>", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("<thead><tr><td>a</td></tr></thead><tbody><tr><td>1</td></tr></tbody>", "| a |\n| --- |\n| 1 |"),
        ("<caption>C</caption><tr><th>a</th></tr><tr><td>1</td></tr>", "C\n\n| a |\n| --- |\n| 1 |"),
        ("<tr><td>1</td><td>2</td></tr>", EMPTY_HEADER + "| 1 | 2 |"),
        ("<tr><td>a | b</td><td><code>x|y</code></td></tr>", EMPTY_HEADER + r"| a \| b | `x\|y` |"),
        ("<tr><td><p>a</p><p>b</p></td><td>c<br>d</td></tr>", EMPTY_HEADER + "| a  b | c d |"),
        ("<tr><td colspan=2>a</td></tr><tr><td>1</td><td>2</td></tr>", EMPTY_HEADER + "| a |  |\n| 1 | 2 |"),
        ("<tr><td rowspan=2>a</td><td>1</td></tr><tr><td>2</td></tr>", EMPTY_HEADER + "| a | 1 |\n|  | 2 |"),
        ("<tr><td>1</td></tr><tr><td>2</td><td>3</td></tr>", EMPTY_HEADER + "| 1 |  |\n| 2 | 3 |"),
        ("<tr><td>a</td><td><pre>x\ny</pre></td></tr><tr><td>b</td></tr>", EMPTY_HEADER + "| a | `x y` |\n| b |  |"),
        (
            "<tr><td>a<table><tr><td>n</td><td>m</td></tr><tr><td>o</td></tr></table></td><td>b</td></tr>",
            EMPTY_HEADER + "| a n, m; o | b |",
        ),
        ("<tr></tr>", ""),
    ],
)
def test_tables_stay_tables(rows: str, markdown: str) -> None:
    assert clean(f"<table>{rows}</table>", html=True) == markdown


def test_a_table_of_line_numbers_and_code_is_a_code_block() -> None:
    code = (
        '<td class="gutter"><pre>1\n2</pre></td><td class="code"><pre><code class="language-py">x\ny</code></pre></td>'
    )
    assert clean(f"<table><tr>{code}</tr></table>", html=True) == "```py\nx\ny\n```"


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ('<ol start="3"><li>c</li><li>d</li></ol>', "3. c\n4. d"),
        ('<ol start="0"><li>c<p>e</p></li><li>d</li></ol>', "0. c\n\n   e\n1. d"),
        ('<ol><li>a</li><li value="7">b</li><li>c</li></ol>', "1. a\n7. b\n8. c"),
        ("<ol reversed><li>a</li><li>b</li></ol>", "2. a\n1. b"),
        ('<ol start="9"><li>a<ol start="4"><li>b</li></ol></li></ol>', "9. a\n   4. b"),
        (
            '<p>x</p><ol start="2"><li>a</li></ol><pre>code</pre><ol start="3"><li>b</li></ol>',
            "x\n\n2. a\n\n```\ncode\n```\n\n3. b",
        ),
        ('<ol start="²"><li value="-4">a</li></ol>', "1. a"),
        (f'<ol start="{"9" * 5000}"><li>a</li></ol>', "1. a"),
    ],
)
def test_ordered_lists_keep_their_numbers(html: str, markdown: str) -> None:
    assert clean(html, html=True) == markdown


@pytest.mark.parametrize("tag", ["div", "p", "blockquote", "span", "math", "ol><li", "table><tr><td"])
@pytest.mark.parametrize("levels", [340, 5000])
def test_deeply_nested_html_has_its_own_error(tag: str, levels: int) -> None:
    with pytest.raises(MarkupError, match=rf"nested more than {MAX_DEPTH} deep"):
        clean(f"<p>a</p>{f'<{tag}>' * levels}x</div>", html=True)


def test_html_at_the_limit_is_converted() -> None:
    assert clean("<div>" * MAX_DEPTH + "x" + "</div>" * MAX_DEPTH, html=True) == "x"


@pytest.mark.parametrize("html", ["<p>a<![foo</p>", f"<p>&#{'9' * 5000};</p>"])
def test_html_that_the_parser_rejects_has_its_own_error(html: str) -> None:
    with pytest.raises(MarkupError, match="parser rejects"):
        clean(html, html=True)


def test_tags_named_like_the_converters_methods_are_text() -> None:
    assert (
        clean("<p>a <soup>b</soup> <list>c</list> <h0>d</h0> <h999999999>e</h999999999></p>", html=True) == "a b c d e"
    )


TAGS = (
    "div p span ol li h2 table tr td th caption pre code a img math semantics annotation msup mfrac script sup soup h7"
)
ATTRIBUTES = [
    "",
    ' class="katex"',
    ' start="²"',
    ' colspan="٣"',
    ' rowspan="9"',
    ' type="math/tex"',
    " value=-4",
    " class",
    " href",
]
PIECES = st.one_of(
    st.builds("<{}{}>".format, st.sampled_from(TAGS.split()), st.sampled_from(ATTRIBUTES)),
    st.sampled_from(TAGS.split()).map("</{}>".format),
    st.sampled_from(["```", "|", "&#0;", "&#1114112;", "<![CDATA[ x ]]>", "<!--", "<?php", "<!", "<![", "\n\n"]),
    st.text(max_size=5),
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_markup_is_converted_or_has_its_own_error(html: str) -> None:
    with suppress(MarkupError):
        html_to_markdown(html)
