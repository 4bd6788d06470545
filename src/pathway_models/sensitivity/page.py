"""A Sobol analysis as one HTML page that needs nothing else: what was found, how it was made, how to repeat it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from .._files.whole import write_whole
from . import verdicts
from .analysis import clock
from .figures import DRAWN, plot_sobol
from .html import bullets, details, image, paragraph, table
from .page_made import cost, design, failures, glossary, is_grouped, plan_of, repeat
from .reliability import ENOUGH
from .results import SobolData
from .verdicts import factor_label, outcome_unit

TEMPLATE = Path(__file__).with_name("page.html")
FEW_OUTCOMES = 3  # up to which there is no list of links
TRACED = 32  # base rows from which on the way of the indices with N can be drawn


def write_report(result: SobolData, path: Path, top: int) -> Path:
    """Write the page; raises `ModelError` if that is not possible."""
    return write_whole(path, report_text(result, top))


def report_text(result: SobolData, top: int) -> str:
    """The page as text."""
    parts = [
        _head(result),
        _short(result),
        _glance(result, top),
        *(_outcome(result, k, top) for k in range(len(result.outcomes))),
        _over_time(result),
        design(result),
        cost(result),
        failures(result),
        repeat(result),
        glossary(result),
    ]
    title = f"Sobol analysis: {result.model}, {result.arm.replace('_', ' ')}"
    version = result.runs.versions.get("pathway-models", "")
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(title), version=escape(version), body="\n".join(filter(None, parts))
    )


# ---- what was found ------------------------------------------------------------------------------------------------


def _head(result: SobolData) -> str:
    model, count = plan_of(result).model, len(result.outcomes)
    what = "groups of parameters" if is_grouped(result) else "parameters"
    treatment = result.arm.replace("_", " ").replace("+", " + ")
    size = f"{len(result.factors)} {what}, N = {result.design.n} base rows, {len(result.runs.status):,} runs"
    lines = [
        f"<h1>What decides the outcome? Sobol analysis of {escape(result.model)}</h1>",
        paragraph(model.title if model.title.strip() != result.model else "", "sub"),
        paragraph(f"Treatment: {treatment}. {size}, {count} outcome{'s' if count > 1 else ''}.", "sub"),
    ]
    if count > FEW_OUTCOMES:
        links = [f'<a href="#outcome-{k}">{escape(name)}</a>' for k, name in enumerate(result.outcomes)]
        lines.append(f"<nav>{' '.join(links)}</nav>")
    return "\n".join(filter(None, lines))


def _short(result: SobolData) -> str:
    varying = [k for k in range(len(result.outcomes)) if verdicts.varies(result, k)]
    sentences = [(_enough(result, varying), ""), (_runs_sentence(result), ""), (verdicts.failures(result), "warn")]
    sentences.append((verdicts.intervals(result), "warn"))
    for k in varying:
        tail = verdicts.heavy_tail(result, k)
        sentences.append((f"{result.outcomes[k]}: {verdicts.leading(result, k)} {tail}", "warn" if tail else ""))
    still = [name for k, name in enumerate(result.outcomes) if k not in varying]
    sentences.append((f"Without variance, and so without indices: {', '.join(still)}." if still else "", ""))
    sentences.append((result.stopped, ""))
    return f'<h2>In short</h2>\n<div class="short">{bullets(sentences)}</div>'


def _runs_sentence(result: SobolData) -> str:
    good = int(result.runs.ok.sum())
    total = len(result.runs.status)
    return f"All {total:,} runs succeeded." if good == total else f"{good:,} of {total:,} runs succeeded."


def _enough(result: SobolData, varying: Sequence[int]) -> str:
    """Whether N suffices, and if not about how much would and what that takes."""
    if not varying:
        return "No outcome varies: there is nothing to rank."
    wide = [k for k in varying if float(np.max(verdicts.half_widths(result, k))) > verdicts.WIDE]
    if not wide and verdicts.too_small(result):
        return f"No interval of ST is wider than ± {verdicts.WIDE:g}, but they are not to be relied on at this N."
    if not wide:
        return f"N = {result.design.n} suffices for a ranking: no interval of ST is wider than ± {verdicts.WIDE:g}."
    which = "every outcome" if len(wide) == len(varying) > 1 else ", ".join(result.outcomes[k] for k in wide)
    limit = f"N = {result.design.n} is too small for a ranking of {which}"
    text = f"{limit}: intervals of ST are wider than ± {verdicts.WIDE:g}."
    needed = [verdicts.n_needed(result, k) for k in wide if not verdicts.heavy_tail(result, k)]
    if not needed:
        return text
    more = "would do" if len(needed) == len(wide) else "would do where there is no heavy tail"
    price = f"{_price(result, max(needed))}; finished runs count, see 'How to repeat it'"
    return f"{text} About N = {max(needed):,} {more}: {price}."


def _price(result: SobolData, n: int) -> str:
    runs, cost = n * result.design.rows_per_base, result.runs.cost
    text = f"{runs:,} runs"
    if not cost.run:
        return text
    return text + f", about {clock(runs * cost.seconds / cost.run)} at the pace of this analysis"


def _glance(result: SobolData, top: int) -> str:
    if len(result.outcomes) < 2:
        return ""
    caption = "Total index of each factor for each outcome: its share of the variance, interactions included."
    return "<h2>At a glance</h2>\n" + image(lambda: plot_sobol(result, "heatmap", None, top), caption)


def _outcome(result: SobolData, k: int, top: int) -> str:
    name, unit = result.outcomes[k], outcome_unit(plan_of(result).model, result.runs.outcomes[k])
    mean, deviation = float(result.indices.mean[k]), float(np.sqrt(result.indices.variance[k]))
    spread = f"Mean {mean:.4g}, standard deviation {deviation:.4g}{f' {unit}' if unit else ''} over the ranges."
    lines = [f'<h2 id="outcome-{k}">{escape(name)}</h2>', paragraph(spread, "sub")]
    if not verdicts.varies(result, k):
        return "\n".join([*lines, paragraph("It does not vary, so it has no indices.")])
    said = [
        verdicts.leading(result, k),
        verdicts.precision(result, k)
        + f"; the widest interval of ST is ± {np.max(verdicts.half_widths(result, k)):.2g}.",
        verdicts.above_floor(result, k),
        verdicts.negligible(result, k),
        verdicts.through_interactions(result, k),
        verdicts.pairs(result, k),
        verdicts.heavy_tail(result, k),
    ]
    lines += [bullets((text, "") for text in said), '<div class="figures">', *_figures(result, name, top), "</div>"]
    return "\n".join([*lines, details(f"All {len(result.factors)} indices", _index_table(result, k))])


def _figures(result: SobolData, name: str, top: int) -> Iterator[str]:
    most = f", the {top} largest of {len(result.factors)}" if top < len(result.factors) else ""
    yield image(
        lambda: plot_sobol(result, "bars", name, top), f"{name}: first-order and total indices{most}{_unsure(result)}."
    )
    if np.isfinite(verdicts.directions(result).low).any():
        caption = f"{name}: its mean where a parameter lies low or high in its range{most}."
        yield image(lambda: plot_sobol(result, "tornado", name, top), caption)
    if result.design.n >= TRACED:
        yield image(
            lambda: plot_sobol(result, "convergence", name, 4),
            f"{name}: total indices of the leaders as N grows; N below {ENOUGH:,} is too small for intervals.",
        )
    if result.indices.S2 is not None:
        yield image(lambda: plot_sobol(result, "interactions", name, DRAWN), f"{name}: pairs that act together.")


def _unsure(result: SobolData) -> str:
    return f"; N = {result.indices.n_used} is too small for intervals" if verdicts.too_small(result) else ""


def _index_table(result: SobolData, k: int) -> str:
    unit = outcome_unit(plan_of(result).model, result.runs.outcomes[k])
    shift = verdicts.directions(result)
    with_shift = bool(np.isfinite(shift.low).any())
    headers = ["factor", "S1", "95 % interval", "ST", "95 % interval"]
    headers += [f"low fifth, change of mean{f' ({unit})' if unit else ''}", "high fifth"] if with_shift else []
    rows = []
    for i in np.argsort(-result.indices.ST[:, k], kind="stable"):
        row = [
            factor_label(result.factors[i]),
            *_interval(result, "S1", int(i), k),
            *_interval(result, "ST", int(i), k),
        ]
        rows.append(row + ([_signed(shift.low[i, k]), _signed(shift.high[i, k])] if with_shift else []))
    return table(headers, rows, numbers=range(1, len(headers)))


def _interval(result: SobolData, index: str, i: int, k: int) -> tuple[str, str]:
    value, low, high = (float(getattr(result.indices, index + end)[i, k]) for end in ("", "_low", "_high"))
    return _share(value), f"{_share(low)} to {_share(high)}"


def _share(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no minus before a zero


def _signed(value: float) -> str:
    return f"{value:+.3g}" if np.isfinite(value) else "-"


def _over_time(result: SobolData) -> str:
    if result.over_time is None:
        return ""
    drawings = [
        image(
            partial(plot_sobol, result, "bands", name, DRAWN),
            f"{factor_label(name)}: mean and spread, then the indices over time.",
        )
        for name in result.runs.courses
    ]
    return '<h2>Over time</h2>\n<div class="figures">' + "\n".join(drawings) + "</div>"
