"""What Sobol indices say, in plain words: what leads, whether N suffices, what is noise, whether a tail decides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ..ensembles.outcomes import Outcome
from ..models.model import Model
from .indices import Bools, Design, Floats
from .reliability import ENOUGH, HELD, HELD_HEAVY, measured_at
from .results import SobolData

WIDE = 0.1  # half width of a 95 percent interval above which a ranking is not to be trusted
FURTHEST = 0.01  # share of the runs, those furthest from the mean, by which a heavy tail is judged
HEAVY = 1 / 3  # of the variance: a normal law gives them 0.08, an exponential one 0.22, a lognormal one (sigma 1) 0.49
EDGE = 0.2  # share of a range at each end, between which the direction of an effect is read
FEWEST = 8  # runs in such an end
NEGLIGIBLE = 0.05  # total index below which a factor may be fixed
MOST_NAMED = 4
LARGEST_N = 2**20


# ---- numbers -------------------------------------------------------------------------------------------------------


def half_widths(result: SobolData, k: int) -> Floats:
    """Half widths of the intervals of ST of one outcome."""
    return np.asarray(result.indices.ST_high[:, k] - result.indices.ST_low[:, k]) / 2


def varies(result: SobolData, k: int) -> bool:
    """Whether an outcome has indices."""
    return bool(np.isfinite(result.indices.ST[:, k]).all())


def noise_floor(result: SobolData, k: int) -> float:
    """Largest S1, 95 percent, of a parameter that does nothing."""
    found = result.indices
    return max(abs(float(found.S1_dummy_low[k])), abs(float(found.S1_dummy_high[k])))


def n_needed(result: SobolData, k: int) -> int:
    """About how many base rows give intervals that are narrow enough for a ranking and hold the true index.

    Widths on the logarithmic scale fall with the root of N.
    """
    total, high = result.indices.ST[:, k], result.indices.ST_high[:, k]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.log(high / total) / np.arcsinh(WIDE / total)
    exact = result.indices.n_used * float(np.nanmax(ratios, initial=1.0)) ** 2
    return 1 << math.ceil(math.log2(min(max(exact, ENOUGH), LARGEST_N)) - 1e-9)


def leaders(result: SobolData, k: int) -> list[int]:
    """The factor with the largest ST and those whose intervals reach into its own, the largest first."""
    total = result.indices.ST[:, k]
    order = [int(i) for i in np.argsort(-total, kind="stable")]
    lowest = result.indices.ST_low[order[0], k]
    return [i for i in order if i == order[0] or result.indices.ST_high[i, k] >= lowest]


def tail_share(values: Floats) -> float:
    """Share of the sum of squared deviations that the hundredth of the values furthest from the mean has.

    >>> bool(tail_share(np.append(np.linspace(-1, 1, 199), 1000.0)) > 0.9)
    True
    """
    squares = np.sort((values - values.mean()) ** 2)[::-1]
    return float(squares[: _few(len(values))].sum() / squares.sum()) if squares.sum() > 0 else 0.0


def _few(count: int) -> int:
    return max(1, round(FURTHEST * count))


def independent_rows(y: Floats, design: Design, ok: Bools) -> tuple[Floats, Floats]:
    """Places (0 to 1) and outcomes of the A and B rows that succeeded."""
    good = ok & np.isfinite(y).all(axis=1)
    ends = np.zeros(design.rows_per_base, dtype=np.bool_)
    ends[[0, -1]] = True
    kept = good & np.tile(ends, design.n)
    return design.unit[kept], y[kept]


class Pair(NamedTuple):
    """Two factors, their second-order index, the lower end of its interval, and the most that it can be."""

    i: int
    j: int
    value: float
    low: float
    most: float


def possible_pairs(result: SobolData, k: int) -> list[Pair]:
    """Pairs whose S2 does not contradict the other indices.

    A pair explains no more than what each of the two explains beyond its S1. Among hundreds of pairs some intervals lie
    above 0 by chance; where a parameter does nothing, this tells.
    """
    found = result.indices
    assert found.S2 is not None
    assert found.S2_low is not None
    beyond = found.ST_high[:, k] - np.maximum(found.S1_low[:, k], 0.0)
    pairs = []
    for i, j in combinations(range(len(beyond)), 2):
        low, most = float(found.S2_low[i, j, k]), float(min(beyond[i], beyond[j]))
        if low <= most:
            pairs.append(Pair(i, j, float(found.S2[i, j, k]), low, most))
    return pairs


class Directions(NamedTuple):
    """Mean of an outcome where a factor lies in the lowest and in the highest fifth of its range, (factors, K).

    Less the mean of all runs, in the unit of the outcome; `error` is the half width of 95 percent intervals that hold
    for all factors at once (Bonferroni). NaN for groups of several parameters, which have no direction, and where a
    fifth has fewer than 8 runs.
    """

    low: Floats
    high: Floats
    error: Floats


def directions(result: SobolData) -> Directions:
    """Which way each factor moves each outcome."""
    from scipy.special import ndtri  # here and not above: scipy would double the import time of the package

    places, y = independent_rows(result.runs.values, result.design, result.runs.ok)
    members = [group_members(result, name) for name in result.design.groups]
    shape = (len(members), y.shape[1])
    z = -float(ndtri(0.05 / (4 * len(members))))  # two ends of two fifths for each factor
    found = Directions(np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan))
    for g, columns in enumerate(members):
        at = places[:, columns[0]]
        ends = (at < EDGE, at > 1 - EDGE)
        if len(columns) > 1 or min(e.sum() for e in ends) < FEWEST:
            continue
        found.low[g], found.high[g] = (y[e].mean(axis=0) - y.mean(axis=0) for e in ends)
        # the spread of all runs, where it is larger: a fifth may by chance hold none of a few extreme runs
        errors = [np.maximum(y[e].std(axis=0, ddof=1), y.std(axis=0)) / math.sqrt(e.sum()) for e in ends]
        found.error[g] = z * np.maximum(*errors)
    return found


def group_members(result: SobolData, group: object) -> list[int]:
    """Places of the parameters of a group in the design."""
    return [j for j, name in enumerate(result.analysis.chosen.group_of) if name == group]


def outcome_unit(model: Model, outcome: Outcome) -> str:
    """Unit of an outcome, '' where it has none or the file does not say."""
    time = "h" if model.time_unit_seconds == 3600 else "model time"
    if outcome.reduce == "time_to_half":
        return time
    if outcome.relative:
        return ""
    known = model.quantities.get(outcome.variable)
    unit = "" if known is None or known.unit == "dimensionless" else known.unit
    return f"{unit} {time}".strip() if outcome.reduce == "area" else unit


# ---- words ---------------------------------------------------------------------------------------------------------


def factor_label(name: str) -> str:
    """A factor as it is written in figures and reports: module and constant apart."""
    return name.replace("__", ": ")


def factor_name(name: str) -> str:
    """A factor in a sentence, as `resolve` takes it.

    >>> factor_name("ketone_katp__Km_MCT1")
    'ketone_katp.Km_MCT1'
    """
    return name.replace("__", ".", 1)


def list_names(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Names in a sentence.

    >>> list_names(["a", "b", "c"])
    'a, b and c'
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"


def own_ranges(result: SobolData) -> str:
    """The ranges that the user gave, with the law that they are sampled by; '' if there are none."""
    asked = result.analysis.factors.parameters
    if not isinstance(asked, Mapping):
        return ""
    given = {result.analysis.plan.model.resolve(name) for name, bounds in asked.items() if bounds is not None}
    texts = [
        f"{factor_name(p.id)} {p.low:g} to {p.high:g} ({p.distribution})" for p in result.parameters if p.id in given
    ]
    return f" Ranges given: {list_names(texts)}." if texts else ""


def sentence(result: SobolData, k: int) -> str:
    """The line of an outcome in `summary`."""
    name, total = result.outcomes[k], result.indices.ST[:, k]
    if not varies(result, k):
        return f"{name}: does not vary, so it has no indices."
    half = half_widths(result, k)
    leaders = [f"{result.factors[i]} (ST {total[i]:.2f} +/- {half[i]:.2f})" for i in np.argsort(-total)[:3]]
    widest = f"widest interval +/- {np.max(half):.2f}, a dummy parameter has S1 up to {noise_floor(result, k):.2f}"
    heavy = heavy_tail(result, k)
    return f"{name}: {', '.join(leaders)}; {widest}, {precision(result, k)}." + (f" {heavy}" if heavy else "")


def precision(result: SobolData, k: int) -> str:
    """Whether N suffices."""
    if float(np.max(half_widths(result, k))) <= WIDE:
        small = f"narrow enough for a ranking, but N = {result.indices.n_used} is too small to rely on them"
        return small if too_small(result) else "N suffices for a ranking"
    text = f"N = {result.design.n} is too small for a ranking"
    return text if heavy_tail(result, k) else f"{text}, about {n_needed(result, k):,} would do"


def too_small(result: SobolData) -> bool:
    """Whether N is one at which intervals were measured to hold the true index too seldom."""
    return measured_at(result.indices.n_used) < ENOUGH


def intervals(result: SobolData) -> str:
    """A warning where N is too small for intervals; else ''."""
    if not too_small(result) or not any(varies(result, k) for k in range(len(result.outcomes))):
        return ""
    n, at = result.indices.n_used, measured_at(result.indices.n_used)
    return (
        f"N = {n} is too small for intervals: in tests with {at} base rows they held the true index in about "
        f"{HELD[at].mean} % of cases instead of 95 %, that of the worst factor in {HELD[at].worst} % "
        f"(docs/intervals.md); take N = {ENOUGH:,} or more."
    )


def leading(result: SobolData, k: int) -> str:
    """What leads, and whether that is settled."""
    first = leaders(result, k)
    names = [factor_name(result.factors[i]) for i in first]
    low, high = (float(getattr(result.indices, f"ST_{end}")[first[0], k]) for end in ("low", "high"))
    if len(first) == len(result.factors) > 1:
        return f"Nothing is settled: all {len(first)} intervals overlap that of the largest, {names[0]}."
    if len(first) == 1:
        text = f"{names[0]} leads: its total index {result.indices.ST[first[0], k]:.2f} ({low:.2f} to {high:.2f})"
        return f"{text} lies above the intervals of all others." if len(result.factors) > 1 else f"{text}."
    return f"{list_names(names)} lead; their intervals overlap, so that their order is not settled."


def above_floor(result: SobolData, k: int) -> str:
    """How many factors stand out from what a dummy parameter shows."""
    floor, count = noise_floor(result, k), len(result.factors)
    out = int(np.sum(result.indices.ST_low[:, k] > floor))
    under = int(np.sum(result.indices.ST_high[:, k] <= floor))
    text = (
        f"A parameter that does nothing shows S1 up to {floor:.2f} at this N (the noise floor): by the whole interval "
    )
    text += f"of ST, {out} of {count} factors lie above it, {under} below"
    return text + (f", {count - out - under} across." if count - out - under else ".")


def negligible(result: SobolData, k: int) -> str:
    """How many factors may be fixed; '' for none."""
    count = int(np.sum(result.indices.ST_high[:, k] < NEGLIGIBLE))
    if not count:
        return ""
    which = "1 factor may" if count == 1 else f"{count} factors may"
    return f"{which} be fixed anywhere in the range: ST below {NEGLIGIBLE:g} with the whole interval."


def heavy_tail(result: SobolData, k: int) -> str:
    """A warning where few runs make up the variance; else ''."""
    values = independent_rows(result.runs.values, result.design, result.runs.ok)[1][:, k]
    share = tail_share(values)
    if share <= HEAVY:
        return ""
    at = measured_at(result.indices.n_used)
    return (
        f"Heavy tail: {100 * share:.0f} % of the variance comes from {_few(len(values))} of {len(values)} independent "
        "runs, so that the indices tell what causes extreme runs; ask for a bounded or logarithmic outcome if that is "
        f"not meant. Intervals are unsure there: in a test with {at} base rows they held the true index of the worst "
        f"factor in {HELD_HEAVY[at].worst} % of cases instead of 95 %."
    )


def through_interactions(result: SobolData, k: int) -> str:
    """Which factors act together with others: S1 below ST beyond doubt; else ''."""
    found = result.indices
    clear = np.flatnonzero((found.S1_high[:, k] < found.ST_low[:, k]) & (found.ST_low[:, k] > noise_floor(result, k)))
    if len(clear) == 0:
        return ""
    order = sorted(clear.tolist(), key=lambda i: -found.ST[i, k])
    names = [
        f"{factor_name(result.factors[i])} (alone {max(found.S1[i, k], 0):.2f} of {found.ST[i, k]:.2f})" for i in order
    ]
    return f"Partly through interactions with others: {list_names(names)}."


def pairs(result: SobolData, k: int) -> str:
    """Which pairs interact beyond doubt; '' without second order."""
    if result.indices.S2 is None:
        return ""
    sure = [(pair.value, pair) for pair in possible_pairs(result, k) if pair.low > 0]
    if not sure:
        return "No pair interacts beyond doubt."
    names = [
        f"{factor_name(result.factors[p.i])} with {factor_name(result.factors[p.j])} ({p.value:.2f})"
        for _, p in sorted(sure)[::-1]
    ]
    return f"Interact beyond doubt (S2): {list_names(names)}."


def failures(result: SobolData) -> str:
    """What was dropped for failures, how much that could matter, and where the failures lie; '' if nothing was."""
    if not result.indices.n_dropped:
        return ""
    shift = result.failure_bounds.largest_shift(result.indices.ST)
    useless = " (which is no bound: narrow the ranges)" if shift >= 1 else ""
    text = (
        f"{result.indices.n_dropped} of {result.design.n} base rows were dropped because a run in them failed; the "
        "indices describe the part of the parameter space that can be simulated. If the failed runs had values "
        f"within the range of the others, no ST would differ by more than {shift:.2g}{useless}."
    )
    where = result.failures().iloc[0]
    if where["distance"] > 0.5:
        text += f" They lie at {where['failed']:.2f} of the range of {where['parameter']} (others {where['good']:.2f})."
    return text
