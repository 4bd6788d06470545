"""Which states does the whole model need, and what does it cost to leave out the others?

Outcomes, studies and the tolerance were written down before the first run (OUTCOMES, STUDIES, OF_CHANGE, OF_LEVEL). The
error of an outcome in a study is the largest gap between the reduced and the whole model at any time of it, in units of
5 % of the largest change of the outcome in that study or of 1 % of its untreated level, whichever is more; the error of
a model is the worst of them. Each round makes every state that is left constant, and quasi-steady where its rate is
linear in it, one at a time on top of what is gone; ranks the states by the smaller of the two errors; removes them in
this order, and keeps the longest beginning whose error is at most 1. Where none can go any more and more states are
left than wanted, the limit rises by a tenth, and the file says to what. All of it is rows of one model, `models.paced`;
what is found is compared with the whole model as it is, and over draws of all constants.
Writes the TOML of the reduced model.
Run: python analyses/reduce_core.py [--model epilepsy] [--most 35] [--draws 64] [--out results/epilepsy_core.toml]
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import pathway_models as pm

TITLE = "Ketogenic diet and acupuncture in drug-resistant epilepsy: the reduced core"
OUTCOMES = ("seizure_rate", "BHB", "KATP", "IL1B", "MTORC1", "GABA", "GAD67", "AMPK", "autophagy_flux")
DIET, NEEDLES = pm.KetogenicDiet(ratio=4), pm.Electroacupuncture(weeks=12)
BOTH = [pm.KetogenicDiet(ratio=4, stop=12), NEEDLES]
STUDIES = {  # treatments, weeks
    "diet for 12 weeks": ([DIET], 12),
    "acupuncture for 12 weeks": ([NEEDLES], 12),
    "both for 12 weeks, none for 12": (BOTH, 24),
    "fasting for 2 days, none for 5": ([pm.treatments.Fasting(hours=48)], 1),
}
EVERY = {12: 6.0, 24: 6.0, 1: 1.0}  # hours, by the length of the study
OF_CHANGE, OF_LEVEL = 0.05, 0.01
LEAST = 20  # states, below which nothing more is removed
RISE = 1.1  # of the limit, where more must go
NOTHING = 0.01  # of the tolerance: where both ways cost less, a state becomes constant
FAST = 1000.0  # times its pace, a state counts as quasi-steady in the screen


class Gone(NamedTuple):
    """States that are constant and states that are quasi-steady."""

    constant: frozenset[str] = frozenset()
    quasi_steady: frozenset[str] = frozenset()

    def __or__(self, other: "Gone") -> "Gone":  # type: ignore[override]
        return Gone(self.constant | other.constant, self.quasi_steady | other.quasi_steady)

    @property
    def both(self) -> frozenset[str]:
        """All of them."""
        return self.constant | self.quasi_steady


@dataclass(frozen=True, kw_only=True)
class Screen:
    """The whole model with a pace per state, and its courses (outcomes x times) and their tolerances per study."""

    model: pm.Model
    paced: pm.Model
    on: pm.Execution
    courses: Mapping[str, np.ndarray]
    tolerances: Mapping[str, np.ndarray]

    def errors(self, options: Sequence[Gone]) -> np.ndarray:
        """The error of each option, infinite where a run fails."""
        rows = {f"pace_of_{k}": np.ones(len(options)) for k in self.model.states}
        for i, gone in enumerate(options):
            for key in gone.constant:
                rows[f"pace_of_{key}"][i] = 0.0
            for key in gone.quasi_steady:
                rows[f"pace_of_{key}"][i] = FAST
        worst = np.zeros(len(options))
        for name in STUDIES:
            gaps = np.abs(courses(self.paced, name, rows, self.on) - self.courses[name])
            found = (gaps / self.tolerances[name][:, None]).max(axis=(1, 2))
            worst = np.maximum(worst, np.where(np.isnan(found), np.inf, found))
        return worst


def courses(model: pm.Model, study: str, rows: Mapping[str, np.ndarray], on: pm.Execution) -> np.ndarray:
    """Rows x outcomes x times; NaN where a run fails."""
    treatments, weeks = STUDIES[study]
    times = np.arange(0.0, weeks * 168 + 1e-9, EVERY[weeks])
    outcomes = [pm.Outcome(variable=model.resolve(k), reduce="final", label=k) for k in OUTCOMES]
    what = pm.Study(model, treatments, outcomes=outcomes, weeks=weeks, times=times)
    found = pm.ensemble(what, rows, execution=on)
    return np.where(found.ok[:, None, None], found.over_time, np.nan)


def screen_of(model: pm.Model, on: pm.Execution) -> Screen:
    """The whole model runs once in the engine of the screen."""
    paced = pm.models.paced(model)
    one = {f"pace_of_{model.states[0]}": np.ones(1)}
    found = {name: courses(paced, name, one, on)[0] for name in STUDIES}
    sizes = {name: tolerances(v[None])[0] for name, v in found.items()}
    return Screen(model=model, paced=paced, on=on, courses=found, tolerances=sizes)


def tolerances(whole: np.ndarray) -> np.ndarray:
    """Rows x outcomes from courses (rows x outcomes x times) of the whole model."""
    change = np.abs(whole - whole[:, :, :1]).max(axis=2)
    return np.maximum(OF_CHANGE * change, OF_LEVEL * np.abs(whole[:, :, 0]))


def possible(reads: Mapping[str, frozenset[str]], quasi_steady: frozenset[str]) -> bool:
    """Whether states can all be quasi-steady: their rates are linear in them, and none follows from itself."""
    if not quasi_steady <= reads.keys():
        return False
    try:
        TopologicalSorter({k: reads[k] & quasi_steady for k in quasi_steady}).prepare()
    except CycleError:
        return False
    return True


def ranked(screen: Screen, gone: Gone, reads: Mapping[str, frozenset[str]], kept: frozenset[str]) -> list[Gone]:
    """For each state that is left, the better of its two ways to go, those with the smallest error first."""
    left = [frozenset([k]) for k in screen.model.states if k not in gone.both | kept]
    ways = [Gone(constant=k) for k in left]
    ways += [Gone(quasi_steady=k) for k in left if possible(reads, gone.quasi_steady | k)]
    errors = screen.errors([gone | way for way in ways])
    best: dict[str, tuple[float, Gone]] = {}
    for error, way in sorted(zip(errors, ways, strict=True), key=lambda pair: max(pair[0], NOTHING)):
        best.setdefault(next(iter(way.both)), (error, way))
    return [way for error, way in best.values() if np.isfinite(error)]


def reduce(screen: Screen, most: int, kept: frozenset[str]) -> tuple[Gone, float, list[str]]:
    """What goes, the error that this has in the screen, and a line per round."""
    reads = pm.models.can_be_quasi_steady(screen.model)
    gone, error, limit, log = Gone(), 0.0, 1.0, []
    total = len(screen.model.states)
    while total - len(gone.both) > (LEAST if limit == 1 else most):
        steps = [gone]
        for way in ranked(screen, gone, reads, kept):
            if possible(reads, steps[-1].quasi_steady | way.quasi_steady):
                steps.append(steps[-1] | way)
        left = np.array([total - len(step.both) for step in steps[1:]])
        errors = screen.errors(steps[1:]) if len(left) else np.array([])
        fitting = np.flatnonzero((errors <= limit) & (left >= (LEAST if limit == 1 else most)))
        if not len(fitting):
            if total - len(gone.both) <= most or not len(left):
                break
            limit = max(RISE * limit, float(errors[left >= most].min()))
            fitting = np.flatnonzero((errors <= limit) & (left >= most))
        gone, error = steps[fitting[-1] + 1], float(errors[fitting[-1]])
        log.append(f"{total - len(gone.both)} states, error {error:.2f} (limit {limit:.2f})")
        print(log[-1], flush=True)
    return gone, error, log


# ---- what was found ------------------------------------------------------------------------------------------------


def compared(
    whole: pm.Model, small: pm.Model, rows: Mapping[str, np.ndarray], on: pm.Execution
) -> dict[str, np.ndarray]:
    """Study -> (2 models x rows x outcomes x times)."""
    return {name: np.array([courses(m, name, rows, on) for m in (whole, small)]) for name in STUDIES}


def as_it_is(found: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Outcomes x studies: the end as multiple of the start, whole / reduced, and the largest gap in percent of it."""
    table = {}
    for name, (whole, small) in found.items():
        start, gap = whole[0, :, 0], np.abs(small[0] - whole[0]).max(axis=1)
        cells = zip(whole[0, :, -1] / start, small[0, :, -1] / start, 100 * gap / np.abs(start), strict=True)
        table[name] = [f"{a:.3f} / {b:.3f} ({c:.1f} %)" for a, b, c in cells]
    return pd.DataFrame(table, index=pd.Index(OUTCOMES, name="outcome"))


def over_draws(found: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Outcomes: median and 95th percentile over draws of the worst error in any study, in units of the tolerance."""
    gaps = [np.abs(small - whole).max(axis=2) / tolerances(whole) for whole, small in found.values()]
    worst = np.max(gaps, axis=0)
    worst = worst[~np.isnan(worst).any(axis=1)]
    table = {"median": np.median(worst, axis=0), "95th percentile": np.quantile(worst, 0.95, axis=0)}
    return pd.DataFrame(table, index=pd.Index(OUTCOMES, name="outcome")).round(2)


def notes(model: pm.Model, small: pm.Model, log: Sequence[str], tables: Sequence[pd.DataFrame], draws: int) -> str:
    """What the file says of the reduced model, a paragraph a line."""
    left = ", ".join(k.replace("__", ".", 1) for k in small.states)
    ends, errors = tables
    studies = [f"{name}: {'; '.join(f'{k} {v}' for k, v in ends[name].items())}." for name in ends]
    drawn = "; ".join(f"{k} {a:g} and {b:g}" for k, a, b in errors.itertuples())
    return "\n".join(
        [
            f"{len(small.states)} of the {len(model.states)} states of {model.name}, by analyses/reduce_core.py.",
            "Constant states stay where they are at the rest of the context, which is searched in the whole model; "
            "quasi-steady ones follow the others at once. Treatments and observations of what is constant are refused.",
            f"States that are left: {left}.",
            "The tolerance is 5 percent of the largest change of an outcome in a study, or 1 percent of its untreated "
            "level, whichever is more.",
            f"Rounds, errors in units of the tolerance: {'; '.join(log)}.",
            "End of each study as multiple of its start, whole / reduced, and the largest gap at any time:",
            *studies,
            f"Over {draws} draws of all constants, median and 95th percentile of the worst error in units of the "
            f"tolerance: {drawn}.",
        ]
    )


def toml(text: str, model: pm.Model, gone: Gone) -> str:
    """The file of the reduced model."""
    names = [sorted(k.replace("__", ".", 1) for k in part) for part in gone]
    lists = ["[\n" + "".join(f'    "{n}",\n' for n in part) + "]" for part in names]
    lines = [f'title = "{TITLE}"', f'notes = """\n{text}"""', "", "[reduction]", f'of = "{model.name}"']
    return "\n".join([*lines, f"constant = {lists[0]}", f"quasi_steady = {lists[1]}", ""])


def main(arguments: list[str] | None = None) -> None:
    """Look for the states that can go, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="epilepsy")
    parser.add_argument("--most", type=int, default=35)
    parser.add_argument("--draws", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("results") / "epilepsy_core.toml")
    options = parser.parse_args(arguments)
    model = pm.load(options.model)
    on = pm.Execution(workers=1, engine="batch", progress=False)
    dosed = frozenset(
        model.resolve(item.input)
        for treatments, _ in STUDIES.values()
        for treatment in treatments
        for item in treatment.schedule()
        if isinstance(item, pm.Dose)
    )
    gone, _, log = reduce(screen_of(model, on), options.most, dosed)
    small = pm.models.reduced(model, constant=sorted(gone.constant), quasi_steady=sorted(gone.quasi_steady))
    usual = {model.constants[0].id: np.array([model.settings.get(model.constants[0].id, model.constants[0].value)])}
    tables = [as_it_is(compared(model, small, usual, on))]
    tables.append(over_draws(compared(model, small, pm.draw(model, n=options.draws, seed=1), on)))
    print(*tables, sep="\n\n")
    text = notes(model, small, log, tables, options.draws)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(toml(text, model, gone), encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
