"""The part of the report that says how an analysis was made: design, cost, failures, how to repeat it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ..ensembles.code import changes, is_ours, literal
from ..ensembles.outcomes import Outcome
from ..ensembles.plan import Plan
from ..ensembles.rows import STATUS
from ..ensembles.runs import Cost
from . import verdicts
from .html import code, details, facts, paragraph, table
from .results import SobolData
from .verdicts import factor_label, outcome_unit

GLOSSARY = (
    ("First-order index S1", "share of the variance of the outcome that a factor explains alone."),
    (
        "Total index ST",
        "share in which the factor takes part, alone or with others; near 0, it may be fixed anywhere in its range.",
    ),
    ("Second-order index S2", "share of a pair beyond what both explain alone."),
    ("95 % interval", "what other samples of the same size would give, by resampling base rows."),
    (
        "Noise floor",
        "the largest S1 that a parameter that does nothing shows at this N. Small total indices are less noisy.",
    ),
    (
        "Change of mean",
        "mean of the outcome where a parameter lies in the lowest (highest) fifth of its range, less that of all.",
    ),
)
CAUTION = (
    "All of it holds for the ranges above: another range is another question. An index says how much of the spread a "
    "parameter causes, not whether the model is right."
)
PLACES = 10  # constants by which the place of failures is shown
MESSAGES = 5  # different messages of failed runs that are shown
LAWS = {"loguniform": "log-uniform", "uniform": "uniform", "normal": "normal, cut", "lognormal": "lognormal, cut"}
HOW = {
    "mean": "mean over the last {window}",
    "final": "value at the end",
    "peak": "largest value",
    "trough": "smallest value",
    "area": "integral over time",
    "time_to_half": "time to half of the change",
}


def plan_of(result: SobolData) -> Plan:
    """What was run."""
    return result.analysis.plan


def is_grouped(result: SobolData) -> bool:
    """Whether a factor may be several parameters."""
    return len(result.factors) < len(result.parameters)


def design(result: SobolData) -> str:
    """Model, treatments, outcomes, what is varied and how."""
    parts = ["<h2>Model and design</h2>", facts([*_model_facts(result), *_design_facts(result)])]
    model, outcomes = plan_of(result).model, result.runs.outcomes
    rows = [(o.name, factor_label(o.variable), _how(result, o), outcome_unit(model, o) or "none") for o in outcomes]
    parts.append(details("Outcomes, exactly", table(["outcome", "variable", "reduced to", "unit"], rows)))
    parts.append(details(f"Ranges of the {len(result.parameters)} constants", _ranges(result)))
    return "\n".join(parts)


def _model_facts(result: SobolData) -> Iterator[tuple[str, str]]:
    model, treatments = plan_of(result).model, result.analysis.study.treatments
    _, alternatives, constants = changes(model)
    named = model.title.strip() not in ("", model.name)
    yield "Model", f"{model.name}: {model.title}" if named else model.name
    yield "Size", f"{len(model.states)} states, {len(model.constants)} constants"
    yield "Context", model.contexts[model.context].title if model.context else ""
    changed = [f"{h} = {a}" for h, a in alternatives.items()] + [f"{k} = {v:g}" for k, v in constants.items()]
    yield "Other than as published", ", ".join(changed)
    yield "SBML", f"SHA-256 {model.hash}..."
    yield "Treatment", "; ".join(literal(t).replace("pm.", "") for t in treatments) or "none"
    yield "Length of a run", _length(result)
    yield "Start of a run", "its own steady state" if plan_of(result).job.steady else "as in the file"


def _design_facts(result: SobolData) -> Iterator[tuple[str, str]]:
    analysis, layout = result.analysis, result.design
    groups = f" in {len(result.factors)} groups" if is_grouped(result) else ""
    yield "Varied", f"{len(result.parameters)} constants{groups}"
    rows = f"N = {layout.n} base rows of a scrambled Sobol sequence, seed {layout.seed}"
    yield "Rows", f"{rows}; {layout.rows_per_base} runs each"
    pairs = ", S2 Saltelli 2002 (doi:10.1016/S0010-4655(02)00280-1)" if layout.second_order else ""
    resamples = f"{analysis.sampling.resamples} bootstrap resamples of the base rows"
    intervals = f"intervals by Student's t from {resamples}, of ST in the logarithm"
    yield "Estimators", f"S1 Saltelli 2010, ST Jansen 1999 (doi:10.1016/j.cpc.2009.09.018){pairs}; {intervals}"
    yield "Correlations", "by a Gaussian copula within groups" if analysis.chosen.correlation is not None else ""


def _length(result: SobolData) -> str:
    plan = plan_of(result)
    if plan.model.time_unit_seconds == 3600:
        return f"{plan.length / 168:.4g} weeks" if plan.length >= 336 else f"{plan.length:.4g} h"
    return f"{plan.length:.4g} (unit of time of the model)"


def _how(result: SobolData, outcome: Outcome) -> str:
    unit = " h" if plan_of(result).model.time_unit_seconds == 3600 else " (model time)"
    text = HOW.get(outcome.reduce, outcome.reduce).format(window=f"{outcome.window or 0:.4g}{unit}")
    return text + (", divided by the value before treatment" if outcome.relative else "")


def _ranges(result: SobolData) -> str:
    values = {**{p.id: p.value for p in result.parameters}, **plan_of(result).model.settings}
    groups = result.analysis.chosen.group_of if is_grouped(result) else ("",) * len(result.parameters)
    headers = ["constant", "value", "low", "high", "unit", "law", "kind", "source", "group"]
    kept = len(headers) - (not is_grouped(result))
    rows = []
    for p, group in zip(result.parameters, groups, strict=True):
        numbers = [f"{v:.4g}" for v in (values[p.id], p.low or 0.0, p.high or 0.0)]
        words = [LAWS.get(p.distribution, p.distribution), p.kind, p.source.replace(";", "; "), group]
        rows.append([factor_label(p.id), *numbers, "" if p.unit == "dimensionless" else p.unit, *words][:kept])
    return table(headers[:kept], rows, numbers={1, 2, 3})


def cost(result: SobolData) -> str:
    """What the runs took."""
    return "<h2>Cost</h2>\n" + facts(_cost_facts(result, result.runs.cost))


def _cost_facts(result: SobolData, spent: Cost) -> Iterator[tuple[str, str]]:
    yield "Runs", f"{spent.run:,} here" + (f", {spent.reused:,} taken over from before" if spent.reused else "")
    yield "Time of a run", f"{1000 * spent.core_seconds / spent.run:.3g} ms of one core" if spent.run else ""
    share = f", {100 * spent.efficiency:.0f} % of their time in runs" if spent.run else ""
    yield "Processes", f"{spent.workers}{share}"
    yield "Engine", plan_of(result).engine
    parts = [f"{result.timings.get(k, 0):.3g} s" for k in ("design", "simulation", "estimator")]
    yield "Design, simulation, estimator", ", ".join(parts)
    yield "Largest memory of a process", f"{spent.peak_bytes / 2**20:.0f} MB" if spent.peak_bytes else ""
    if len(result.doublings) > 1:
        yield "N on the way", ", ".join(f"{d.n} (widest interval {d.width:.2g})" for d in result.doublings)


def failures(result: SobolData) -> str:
    """How many runs failed, of what, and where in the ranges."""
    runs = result.runs
    if runs.ok.all():
        again = runs.counts.get(STATUS[1], 0)
        text = "No run failed." + (f" {again} of them succeeded in a second attempt." if again else "")
        return "<h2>Failures</h2>\n" + paragraph(text)
    found = Counter((STATUS[runs.status[i]], runs.messages.get(int(i), "")) for i in np.flatnonzero(~runs.ok))
    most = found.most_common()
    rows = [(*key, count) for key, count in most[:MESSAGES]]
    parts = ["<h2>Failures</h2>", paragraph(verdicts.failures(result))]
    parts.append(table(["status", "message", "runs"], rows, numbers={2}))
    if len(most) > MESSAGES:
        rest = sum(count for _, count in most[MESSAGES:])
        text = f"{len(most) - MESSAGES} other messages in {rest} runs: result.runs.to_dataframe() has all."
        parts.append(paragraph(text, "note"))
    return "\n".join([*parts, details("Where in the ranges the failed runs lie", _where(result))])


def _where(result: SobolData) -> str:
    frame = result.failures().head(PLACES)
    rows = [
        (factor_label(str(name)), *(f"{v:.2f}" for v in numbers)) for name, *numbers in frame.itertuples(index=False)
    ]
    note = "Mean place in the range (0 low, 1 high) of failed and of other runs; distance of Kolmogorov and Smirnov."
    return paragraph(note, "note") + table(["constant", "failed runs", "others", "distance"], rows, numbers={1, 2, 3})


def repeat(result: SobolData) -> str:
    """The Python that gives the same numbers, and the versions they came from."""
    parts = ["<h2>How to repeat it</h2>", paragraph("In Python (the same numbers on any number of processes):")]
    parts += [code(python_code(result)), paragraph(_folder_text(result))]
    versions = ", ".join(f"{k} {v}" for k, v in result.runs.versions.items())
    return "\n".join([*parts, paragraph(f"Versions: {versions}.")])


def python_code(result: SobolData) -> str:
    """A script that repeats the analysis."""
    study = result.analysis.study
    outcomes = [study.outcomes] if isinstance(study.outcomes, str | Outcome) else study.outcomes
    things = [t for t in (*study.treatments, *outcomes) if not isinstance(t, str) and not is_ours(t)]
    theirs = dict.fromkeys(type(t).__name__ for t in things)
    lines = [f"# {name} is a class of your own: import it here" for name in theirs]
    code = result.analysis.code()
    return "\n".join(["import pathway_models as pm", *lines, "", f"result = {code}", "print(result.summary())"])


def _folder_text(result: SobolData) -> str:
    folder = plan_of(result).folder
    if folder is None:
        return (
            "With Execution(checkpoint=FOLDER) (--checkpoint FOLDER) finished runs are kept: the same call resumes "
            "after an interruption, and a larger n runs only what is new. In the same session result.extend(n) does "
            "that too."
        )
    return (
        f"The finished runs are in {folder}: with checkpoint={literal(str(folder))} (--checkpoint {folder}) nothing "
        "runs twice, and a larger n runs only what is new."
    )


def glossary(result: SobolData) -> str:
    """What the words mean."""
    pairs = result.indices.S2 is not None
    words = [(name, text) for name, text in GLOSSARY if pairs or "S2" not in name]
    return "<h2>How to read it</h2>\n" + facts(words) + paragraph(CAUTION, "note")
