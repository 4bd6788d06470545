"""The generated tables of README.md: the models, how far to trust them, what the largest of them says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import get_args

import pathway_models as pm
from page_markdown import code, table, words
from pages import FOLDER, NUMBERS, ROW_HEAD, SIGNS, by_kind, constants, report, score_cells
from pathway_models._sbml.uncertainty import KINDS
from pathway_models.errors import ModelError
from pathway_models.evidence.coverage import Verdict
from pathway_models.evidence.observations import Use
from pathway_models.evidence.scores import FAILED
from pathway_models.models.collection import OURS

SHORT = ("within 1 error", "2", "further", "no error given")
CHANCE = "by chance: nothing changes / all good / frequencies"


def models_table() -> str:
    """The models of the library with their sizes."""
    head = ["model", "states", "inputs", f"constants: {', '.join(KINDS)}", "hypotheses", "what it holds"]
    return table(head, map(_model_row, (*OURS.modules, *OURS.coupled)))


def _model_row(name: str) -> list[str]:
    model = OURS.load(name)
    kinds = ", ".join(map(str, by_kind(constants(model)).values()))
    sizes = [len(model.states), len(model.input_ports), kinds, len(model.hypothesis_set)]
    return [f"[`{name}`]({(FOLDER / name).as_posix()}.md)", *map(str, sizes), words(model.title)]


def trust_table() -> str:
    """How well the models meet their observations, split by use, and what their constants rest on."""
    reports = [r for n in (*OURS.modules, *OURS.coupled) if (r := report(n))]
    head = ["model", "observations"]
    head += [f"{use}: {what}" for use in ("tests", "set") for what in (" / ".join(SHORT), " / ".join(SIGNS), CHANCE)]
    cells = [[code(r.model), str(len(r.rows)), *_tally([r])] for r in reports]
    counted = [r for r in reports if r.model not in _extended()]
    total = ["**all**", str(sum(len(r.rows) for r in counted)), *_tally(counted)]
    text = (
        "Tests were not used to set anything. What set the model is no test of it. Errors are standard deviations or "
        "standard errors, as published; right and wrong count directions, with the size that is asked of them "
        "([how](docs/decisions/0029-directions-with-a-size.md)); works dispute each other where they contradict under "
        "the same conditions. Chance is how many directions were right if nothing changed, if treatments moved "
        "everything the favourable way and harm the other, and if directions were guessed by their frequencies."
    )
    if repeated := ", ".join(map(code, sorted(_extended()))):
        text += f" The last line leaves out {repeated}, whose observations a larger model repeats."
    return "\n\n".join([table(head, [*cells, total]), text, _kinds_sentence(), _coverage_sentence()])


def _extended() -> set[str]:
    """Coupled models whose observations another one repeats: those that others extend, and reduced ones."""
    reduced = {name for name in OURS.coupled if OURS.read_coupled(name).reduction}
    return reduced | {a for name in OURS.coupled if name not in reduced for a in OURS.lineage(name) if a != name}


def _tally(reports: Sequence[pm.evidence.EvidenceReport]) -> Iterator[str]:
    """Numbers and directions by verdict: of the tests, then of what set the model."""
    uses: tuple[Use, ...] = ("check", "fit")
    for use in uses:
        totals = [r.totals(use) for r in reports]
        failed = sum(t[FAILED] for t in totals)
        for group in (NUMBERS, SIGNS):
            yield " / ".join(str(sum(t[verdict] for t in totals)) for verdict in group)
        yield _chance([r.by_chance(use) for r in reports])
        if failed:
            raise ModelError(f"{failed} observations could not be simulated: {', '.join(r.model for r in reports)}")


def _chance(parts: Sequence[pm.evidence.ByChance]) -> str:
    nothing, good, expected = (sum(getattr(p, key) for p in parts) for key in ("nothing", "good", "frequencies"))
    return f"{nothing} / {good} / {expected:.0f}"


def _kinds_sentence() -> str:
    every = [p for n in OURS.modules for p in OURS.module(n).parameters]
    counts = by_kind(every)
    parts = ", ".join(f"{n} {kind} ({100 * n / len(every):.0f} %)" for kind, n in counts.items())
    return f"Of the {len(every)} constants of all modules: {parts}."


def _coverage_sentence() -> str:
    verdicts = pm.evidence.coverage()["verdict"].tolist()
    parts = ", ".join(f"{verdicts.count(v)} {v}" for v in get_args(Verdict) if v in verdicts)
    path = "[`sbml/evidence/coverage.tsv`](sbml/evidence/coverage.tsv)"
    return f"Of the {len(verdicts)} statements of the clinical review behind the models ({path}): {parts}."


SAID_OF = "epilepsy"
SAID = (  # what a reader asks first, right and wrong
    *("kd_rate_neal_control", "mad_rate_sharma_control", "kd_srs_rat", "kd_stop_abrupt", "kd_stop_responders"),
    *("kd_ptz_size", "kd_ptz_5weeks", "kd_ect_before_10d", "kd_6hz_2d", "kd_6hz_5d", "kd_6hz_12d", "kd_6hz_21d"),
    *("kd_6hz_germ_free", "kd_s6_kainate", "kd_lc3", "kd_p62", "kd_gad1", "thread_embedding"),
    *("status_recurrent_seizures", "trkb_inhibition_after_status", "trkb_deletion_kindling"),
)


def said_table() -> str:
    """What the largest model says with its defaults, beside what was observed; `ModelError` for rows that are gone."""
    found = report(SAID_OF)
    scores = {s.observation.id: s for s in found.rows} if found else {}
    if missing := [name for name in SAID if name not in scores]:
        raise ModelError(f"README.md shows observations that {SAID_OF} has not: {', '.join(missing)}")
    return table(ROW_HEAD, (score_cells(scores[name], "") for name in SAID))


BLOCKS: Mapping[str, Callable[[], str]] = {"models": models_table, "trust": trust_table, "said": said_table}


def with_blocks(readme: str) -> str:
    """README text with the generated tables between its markers; `ModelError` for a marker that is missing."""
    for name, make in BLOCKS.items():
        start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
        if readme.count(start) != 1 or readme.count(end) != 1 or readme.index(start) > readme.index(end):
            raise ModelError(f"README.md needs the markers {start} and {end}, each once and in this order")
        before, _, rest = readme.partition(start)
        readme = f"{before}{start}\n{make()}\n{end}{rest.partition(end)[2]}"
    return readme
