"""Pieces of HTML; every text that comes from outside is escaped here."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Container, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of that class; '' for an empty text.

    >>> paragraph("a < b")
    '<p>a &lt; b</p>'
    """
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>" if text else ""


def bullets(items: Iterable[tuple[str, str]]) -> str:
    """A list of (sentence, class); empty sentences are left out."""
    lines = [
        f'<li class="{kind}">{escape(text)}</li>' if kind else f"<li>{escape(text)}</li>"
        for text, kind in items
        if text
    ]
    return "<ul>\n" + "\n".join(lines) + "\n</ul>" if lines else ""


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], numbers: Container[int] = ()) -> str:
    """A table; the columns at the places `numbers` hold numbers."""
    kinds = [' class="n"' if j in numbers else "" for j in range(len(headers))]
    head = "".join(f"<th{c}>{escape(h)}</th>" for h, c in zip(headers, kinds, strict=True))
    lines = [
        "<tr>" + "".join(f"<td{c}>{escape(str(v))}</td>" for v, c in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    ]
    body = "\n".join(lines)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and texts, two columns; empty texts are left out."""
    rows = "\n".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in pairs if b)
    return f'<div class="scroll fit"><table class="facts"><tbody>\n{rows}\n</tbody></table></div>'


def details(summary: str, inside: str) -> str:
    """HTML that is shown at a click."""
    return f"<details><summary>{escape(summary)}</summary>\n{inside}\n</details>"


def code(text: str) -> str:
    """A block of code."""
    return f"<pre><code>{escape(text)}</code></pre>"


def image(draw: Callable[[], Figure], caption: str) -> str:
    """A figure as SVG in an image of its own, so that ids of figures do not meet; the figure is closed."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    figure, file = draw(), io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "pathway_models"}):  # the same figure gives the same bytes
        figure.savefig(file, format="svg", metadata={"Date": None})
    width = round(96 * figure.get_size_inches()[0])
    plt.close(figure)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    text = escape(caption)
    picture = f'<img width="{width}" alt="{text}" src="data:image/svg+xml;base64,{data}">'
    return f"<figure>{picture}<figcaption>{text}</figcaption></figure>"
