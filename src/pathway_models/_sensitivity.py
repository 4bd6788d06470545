"""Sobol analysis: ranges from the tables -> design -> ensemble -> indices with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ._ensemble import Ensemble, ensemble
from ._indices import Design, Indices, saltelli_design, sobol_indices
from ._interventions import Treatment, label
from ._model import Model
from ._module import Parameter
from ._outcomes import Outcome
from ._simulate import Array
from .errors import InvalidValueError, require_range, unknown_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Z95 = 1.959963984540054  # half width of the central 95 percent of a normal law, in standard deviations
GROUPINGS = ("module", "kind")
WIDE = 0.1  # half width of a 95 percent interval above which a ranking is not to be trusted


@dataclass(frozen=True, kw_only=True, eq=False)
class SobolResult:
    """Sobol indices of one model under one treatment, with the design and the runs they came from."""

    model: str
    arm: str
    parameters: tuple[Parameter, ...]
    design: Design
    indices: Indices
    runs: Ensemble

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the parameters or groups, in the order of the indices."""
        return tuple(map(str, self.design.groups))

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of the outcomes, in the order of the indices."""
        return tuple(o.name for o in self.runs.outcomes)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per outcome and factor: S1 and ST with their 95 percent intervals; sorted by ST."""
        import pandas as pd

        names = ("S1", "S1_low", "S1_high", "ST", "ST_low", "ST_high")
        frames = []
        for k, outcome in enumerate(self.outcomes):
            columns = {n: getattr(self.indices, n)[:, k] for n in names}
            frame = pd.DataFrame({"outcome": outcome, "factor": self.factors, **columns})
            frames.append(frame.sort_values("ST", ascending=False))
        return pd.concat(frames, ignore_index=True)

    def second_order(self) -> pd.DataFrame:
        """One row per outcome and pair: S2 with its interval. `InvalidValueError` unless it was asked for."""
        import pandas as pd

        if self.indices.S2 is None or self.indices.S2_low is None or self.indices.S2_high is None:
            raise InvalidValueError("no second-order indices: call sobol(..., second_order=True)")
        rows = [
            (
                outcome,
                a,
                b,
                *(float(m[i, j, k]) for m in (self.indices.S2, self.indices.S2_low, self.indices.S2_high)),
            )
            for k, outcome in enumerate(self.outcomes)
            for i, a in enumerate(self.factors)
            for j, b in enumerate(self.factors)
            if i < j
        ]
        return pd.DataFrame(rows, columns=["outcome", "a", "b", "S2", "S2_low", "S2_high"])

    def to_salib(self) -> tuple[dict[str, Any], Array]:
        """(problem, Y) for `SALib.analyze.sobol.analyze(problem, Y[:, k], calc_second_order=...)`.

        With groups the problem has one variable per group.
        """
        count = len(self.factors)
        return {
            "num_vars": count,
            "names": list(self.factors),
            "bounds": [[0.0, 1.0]] * count,
        }, self.runs.values

    def summary(self) -> str:
        """Plain sentences: runs, failures, whether N suffices, what leads for each outcome."""
        lines = [f"{self.model}, {self.arm}: {self.runs.report()} in {self.runs.seconds:.1f} s."]
        if self.indices.n_dropped:
            lines.append(
                f"{self.indices.n_dropped} of {self.design.n} base rows were dropped because a run in them failed; "
                "the indices describe the part of the parameter space that can be simulated."
            )
        for k, name in enumerate(self.outcomes):
            lines.append(self._sentence(k, name))
        return "\n".join(lines)

    def _sentence(self, k: int, name: str) -> str:
        total = self.indices.ST[:, k]
        if not np.isfinite(total).all():
            return f"{name}: does not vary, so it has no indices."
        half = (self.indices.ST_high[:, k] - self.indices.ST_low[:, k]) / 2
        order = np.argsort(-total)[:3]
        leaders = ", ".join(f"{self.factors[i]} (ST {total[i]:.2f} +/- {half[i]:.2f})" for i in order)
        widest = float(np.max(half))
        enough = (
            "N suffices for a ranking"
            if widest <= WIDE
            else f"N = {self.design.n} is too small for a ranking, double it"
        )
        return f"{name}: {leaders}; widest interval +/- {widest:.2f}, {enough}."

    def plot(self, outcome: str | None = None, *, top: int = 15) -> Figure:
        """S1 and ST with 95 percent intervals, sorted, one panel per outcome (or for the named one)."""
        from ._plots import plot_sobol

        if outcome is not None and outcome not in self.outcomes:
            raise unknown_name("outcome", outcome, self.outcomes)
        return plot_sobol(self, self.outcomes if outcome is None else (outcome,), top)


def sobol(
    model: Model,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome],
    n: int = 256,
    seed: int = 1,
    parameters: Sequence[str] | Mapping[str, tuple[float, float]] | None = None,
    groups: str | Mapping[str, Sequence[str]] | None = None,
    second_order: bool = False,
    weeks: float | None = None,
    duration: float | None = None,
    every: float | None = None,
    start: str = "auto",
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    resamples: int = 1000,
) -> SobolResult:
    """Sobol indices of outcomes of `model` under `treatments`, with 95 percent bootstrap intervals.

    `parameters`: None for every parameter with a range, names, or {name: (low, high)} (log-uniform where low > 0,
    else uniform; gains of wires are given so). `groups`: None, 'module', 'kind' (of evidence) or {group: names}.
    `n` base rows (a power of two) cost n*(groups + 2) runs, n*(2*groups + 2) with `second_order`; length as in
    `simulate`, 12 weeks if nothing is said. The same seed gives the same result on any number of processes.
    Failed runs are recorded and drop their base row. Raises `InvalidValueError` for an n that is no power of two, an
    empty list of parameters or an empty range, `UnknownNameError` for unknown names.
    Source: Saltelli et al. 2010, doi:10.1016/j.cpc.2009.09.018.

    >>> import pathway_models as pm
    >>> result = pm.sobol(pm.load("acupuncture"), [pm.Electroacupuncture()], outcomes=["vagal_drive"],
    ...                   n=8, parameters=["gain_vagal", "tau_session"], weeks=8, workers=1, progress=False)
    >>> result.to_dataframe()["factor"][0]
    'gain_vagal'
    """
    require_range("the number of bootstrap resamples", resamples, 1, 1_000_000)
    chosen = _choose(model, parameters)
    chosen, names = _grouped(model, chosen, groups)
    design = saltelli_design(len(chosen), n, seed, group_of=names, second_order=second_order)
    table = {p.id: sample(p, design.unit[:, j]) for j, p in enumerate(chosen)}
    runs = ensemble(
        model,
        table,
        treatments,
        outcomes=outcomes,
        weeks=weeks,
        duration=duration,
        every=every,
        start=start,
        workers=workers,
        executor=executor,
        progress=progress,
    )
    try:
        indices = sobol_indices(runs.values, design, resamples=resamples, seed=seed, ok=runs.ok)
    except InvalidValueError as error:
        raise InvalidValueError(f"{error}; {runs.report()}") from None
    return SobolResult(
        model=model.name,
        arm=label(list(treatments)),
        parameters=chosen,
        design=design,
        indices=indices,
        runs=runs,
    )


def sample(parameter: Parameter, unit: Array) -> Array:
    """Values of a parameter for numbers in 0..1, by the inverse of its distribution.

    Low and high of normal and lognormal laws are the 2.5 and 97.5 percentiles; the tails beyond them are cut off, so
    that no law leaves its range (a total of creatine below the resting phosphocreatine does not exist).

    >>> sample(Parameter(id="k", value=1, unit="", kind="assumed", low=0.1, high=10, distribution="loguniform"),
    ...        np.array([0.5]))
    array([1.])
    """
    low, high = float(parameter.low or 0.0), float(parameter.high or 0.0)
    if parameter.distribution in ("loguniform", "lognormal"):
        low, high = np.log(low), np.log(high)
    if parameter.distribution in ("normal", "lognormal"):
        from scipy.special import ndtri  # here and not above: scipy would double the import time of the package

        z = ndtri(0.025 + 0.95 * unit)
        values = (low + high) / 2 + (high - low) / (2 * Z95) * z
    else:
        values = low + (high - low) * unit
    logarithmic = parameter.distribution in ("loguniform", "lognormal")
    return np.asarray(np.exp(values) if logarithmic else values, dtype=np.float64)


def _choose(model: Model, wanted: Sequence[str] | Mapping[str, tuple[float, float]] | None) -> tuple[Parameter, ...]:
    known = {p.id: p for p in model.parameters_}
    if wanted is None:
        chosen = [p for p in model.parameters_ if p.uncertain and p.id not in model.anchors]
        if not chosen:
            raise InvalidValueError(
                f"{model.name} has no parameter with a range; give parameters={{name: (low, high)}}"
            )
        return tuple(chosen)
    if isinstance(wanted, str) or not wanted:
        raise InvalidValueError(f"parameters is {wanted!r}; give a list of names or {{name: (low, high)}}, not empty")
    chosen = []
    for name in wanted:
        key = model.resolve(name)
        if key not in known:
            raise unknown_name(f"parameter of {model.name}", name, known)
        p = _ranged(model, known[key], wanted[name]) if isinstance(wanted, Mapping) else known[key]
        if not p.uncertain:
            raise InvalidValueError(f"{name} has no range; give parameters={{{name!r}: (low, high)}}")
        chosen.append(p)
    ids = [p.id for p in chosen]
    if len(set(ids)) < len(ids):
        raise InvalidValueError(f"parameters names {max(ids, key=ids.count)} twice")
    return tuple(chosen)


def _ranged(model: Model, parameter: Parameter, bounds: tuple[float, float]) -> Parameter:
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError):
        raise InvalidValueError(f"the range of {parameter.id} is {bounds!r}; give (low, high)") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise InvalidValueError(
            f"the range of {parameter.id} is ({low:g}, {high:g}); low must be below high, both finite"
        )
    for edge in (low, high):
        model.with_parameters({parameter.id: edge})  # raises where the model does not allow the value
    return replace(parameter, low=low, high=high, distribution="loguniform" if low > 0 else "uniform")


def _grouped(
    model: Model, chosen: Sequence[Parameter], groups: str | Mapping[str, Sequence[str]] | None
) -> tuple[tuple[Parameter, ...], list[str]]:
    """Parameters and the group of each; with a mapping only what it names is varied."""
    if groups is None:
        return tuple(chosen), [p.id for p in chosen]
    if isinstance(groups, str):
        if groups not in GROUPINGS:
            raise unknown_name("grouping", groups, GROUPINGS)
        return tuple(chosen), [getattr(p, groups) or model.name for p in chosen]
    listed = [model.resolve(name) for names in groups.values() for name in names]
    if len(set(listed)) < len(listed):
        raise InvalidValueError(f"groups name {max(listed, key=listed.count)} twice; a parameter belongs to one group")
    member = {model.resolve(name): group for group, names in groups.items() for name in names}
    kept = tuple(p for p in chosen if p.id in member)
    missing = set(member) - {p.id for p in kept}
    if missing or not kept:
        raise InvalidValueError(f"groups name what is not varied: {', '.join(sorted(missing)) or '(nothing)'}")
    return kept, [member[p.id] for p in kept]
