"""What a sensitivity analysis varies: parameters with their laws, groups of them, and correlated ones by a copula."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from .._types import Array, Brief
from ..errors import (
    InvalidValueError,
    Named,
    repr_short,
    require_choice,
    require_kind,
    require_number,
    require_range,
    unknown_name,
)
from ..models.model import Model
from ..modules.laws import sample
from ..modules.module import Parameter

Range: TypeAlias = "tuple[float, float] | tuple[float, float, str]"  # low, high, and the law if it is not the usual one
Wanted: TypeAlias = "Sequence[str] | Mapping[str, Range | None] | None"  # what is varied, as the user says it
Groups: TypeAlias = "str | Mapping[str, Sequence[str]] | None"

GROUPINGS = ("module", "kind", "wire")
OWN_LAWS = ("uniform", "loguniform", "normal", "lognormal")
EDGE = 1e-12  # distance from 0 and 1 at which places are put into a normal law


def choose(model: Model, wanted: Wanted, groups: Groups = None) -> tuple[Parameter, ...]:
    """The parameters to vary: named ones, those with a range, or with groups='wire' the gains from 0 to 1."""
    if wanted is None and groups == "wire":
        wanted = dict.fromkeys(model.gains, (0.0, 1.0))
        if not wanted:
            raise InvalidValueError(f"{model.name} has no wires; groups='wire' needs a coupled model")
    if wanted is None:
        chosen = [p for p in model.constants if p.uncertain and p.id not in model.anchors]
        if not chosen:
            raise InvalidValueError(
                f"{model.name} has no parameter with a range; give parameters={{name: (low, high)}}"
            )
        return tuple(chosen)
    if isinstance(wanted, str) or not isinstance(wanted, Sequence | Mapping) or not wanted:
        raise InvalidValueError(
            f"parameters is {repr_short(wanted)}; give a list of names or {{name: (low, high)}}, not empty"
        )
    known = {p.id: p for p in model.constants}
    chosen = []
    for name in wanted:
        require_kind("one of parameters", name, str, "parameters=['k', 'Vmax'] or parameters={'k': (1, 10)}")
        key = model.resolve(name)
        p = known.get(key) or _settable(model, name, key)
        bounds = wanted[name] if isinstance(wanted, Mapping) else None
        p = p if bounds is None else _ranged(model, p, bounds)
        if not p.uncertain:
            raise InvalidValueError(f"{name} has no range; give parameters={{{name!r}: (low, high)}}")
        chosen.append(p)
    ids = [p.id for p in chosen]
    if len(set(ids)) < len(ids):
        raise InvalidValueError(f"parameters names {max(ids, key=ids.count)} twice")
    return tuple(chosen)


def _settable(model: Model, name: str, key: str) -> Parameter:
    """What is no constant and can be set all the same: a start value, a compartment, an input. It has no range yet."""
    q = model.quantities.get(key)
    if q is None:
        raise unknown_name(f"parameter of {model.name}", name, [p.id for p in model.constants])
    value = q.value if np.isfinite(q.value) else 0.0
    model.with_parameters({key: value})  # raises, with the reason, where the model computes it
    module = next((port.module for port in model.input_ports if port.id == key), "")
    return Parameter(id=key, value=value, unit=q.unit, kind="unknown", module=module)


def _ranged(model: Model, parameter: Parameter, bounds: Range) -> Parameter:
    what = f"the range of {parameter.id}"
    parts = () if isinstance(bounds, str) or not isinstance(bounds, Iterable) else tuple(bounds)
    if len(parts) not in (2, 3) or not all(isinstance(law, str) for law in parts[2:]):
        raise InvalidValueError(f"{what} is {repr_short(bounds)}; give (low, high) or (low, high, law)")
    low, high = (require_number(f"an end of {what}", edge) for edge in parts[:2])
    if not (np.isfinite([low, high]).all() and low < high):
        raise InvalidValueError(f"{what} is ({low:g}, {high:g}); low must be below high, both finite")
    law = "loguniform" if low > 0 else "uniform"
    if len(parts) == 3:
        law = require_choice(f"the law of {parameter.id}", str(parts[2]), OWN_LAWS)
    if law.startswith("log") and low <= 0:
        raise InvalidValueError(f"{what} is ({low:g}, {high:g}); {law} needs a low end above 0")
    for edge in (low, high):
        model.with_parameters({parameter.id: edge})  # raises where the model does not allow the value
    return replace(parameter, low=low, high=high, distribution=law)


def assign_groups(
    model: Model, chosen: Sequence[Parameter], groups: Groups, *, named: bool = False
) -> tuple[tuple[Parameter, ...], list[str]]:
    """Parameters and the group of each; with a mapping what it names is varied, and all of what the user `named`."""
    if groups is None:
        return tuple(chosen), [p.id for p in chosen]
    if isinstance(groups, str):
        return tuple(chosen), [_group_name(model, p, groups) for p in chosen]
    listed = [model.resolve(name) for name in _members(groups)]
    if len(set(listed)) < len(listed):
        raise InvalidValueError(f"groups name {max(listed, key=listed.count)} twice; a parameter belongs to one group")
    member = {model.resolve(name): group for group, names in groups.items() for name in names}
    kept = tuple(p for p in chosen if p.id in member)
    missing = set(member) - {p.id for p in kept}
    if missing or not kept:
        raise InvalidValueError(f"groups name what is not varied: {', '.join(sorted(missing)) or '(nothing)'}")
    alone = [p.id for p in chosen if p.id not in member]
    if named and alone:
        raise InvalidValueError(
            f"{', '.join(alone)} of parameters is in no group and would not be varied; add a group, e.g. "
            f"groups={{..., {alone[0]!r}: [{alone[0]!r}]}}, or take it out of parameters"
        )
    return kept, [member[p.id] for p in kept]


def _members(groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The names in all groups; `InvalidValueError` for what is no mapping of lists of names, none of them empty."""
    example = "groups={'uptake': ['Vmax', 'Km'], 'decay': ['k']}"
    require_kind("groups", groups, Mapping, f"{example}, or one of {', '.join(GROUPINGS)}")
    for group, names in groups.items():
        if isinstance(names, str) or not isinstance(names, Sequence) or not names:
            raise InvalidValueError(f"group {group!r} is {repr_short(names)}; give a list of names, e.g. {example}")
        for name in (group, *names):
            require_kind("a name in groups", name, str, example)
    return [name for names in groups.values() for name in names]


def _group_name(model: Model, parameter: Parameter, grouping: str) -> str:
    if grouping not in GROUPINGS:
        raise unknown_name("grouping", grouping, GROUPINGS)
    if grouping == "wire":
        if parameter.kind != "gain":
            raise InvalidValueError(f"{parameter.id} is no gain of a wire; groups='wire' varies gains only")
        return parameter.id.removeprefix("gain_").replace("__", ".")
    return getattr(parameter, grouping) or model.name


@dataclass(frozen=True, kw_only=True, repr=False)
class GaussianCopula(Brief, Named):
    """Correlated parameters; the law of each alone is kept.

    For an analysis of shares of variance all parameters that hang together must lie in one group.

    Attributes:
        correlations: (name, other name) -> correlation of their normal scores.

    Raises:
        InvalidValueError: a correlation outside -1 to 1, or of a parameter with itself.

    Example:
        >>> GaussianCopula(correlations={("Vmax", "Km"): 0.8}).correlations[("Vmax", "Km")]
        0.8
    """

    correlations: Mapping[tuple[str, str], float]

    def __post_init__(self) -> None:
        for (a, b), value in self.correlations.items():
            require_range(f"the correlation of {a} and {b}", value, -1.0, 1.0)
            if a == b:
                raise InvalidValueError(f"{a} is correlated with itself; name two parameters")

    def matrix(self, model: Model, parameters: Sequence[Parameter]) -> Array:
        """Correlation matrix in the order of `parameters`.

        Args:
            model: whose names these are.
            parameters: what varies.

        Raises:
            InvalidValueError: a parameter that does not vary, correlations that contradict each other.
        """
        place = {p.id: i for i, p in enumerate(parameters)}
        matrix = np.eye(len(parameters))
        for (a, b), value in self.correlations.items():
            keys = [model.resolve(name) for name in (a, b)]
            absent = [k for k in keys if k not in place]
            if absent:
                raise InvalidValueError(f"the copula names what is not varied: {absent[0]}")
            i, j = (place[k] for k in keys)
            matrix[i, j] = matrix[j, i] = value
        lowest = float(np.linalg.eigvalsh(matrix)[0])
        if lowest < -1e-9:
            raise InvalidValueError(
                f"the correlations contradict each other: their matrix has the eigenvalue {lowest:.3g}, below 0"
            )
        return matrix


def correlate(unit: Array, matrix: Array) -> Array:
    """Independent places in 0..1 (rows x parameters) as places with this Gaussian copula.

    >>> bool(np.allclose(correlate(np.array([[0.3, 0.8]]), np.eye(2)), [[0.3, 0.8]]))
    True
    """
    from scipy.special import ndtr, ndtri

    moved = np.flatnonzero((matrix != np.eye(len(matrix))).any(axis=0))
    if len(moved) == 0:
        return unit
    values, vectors = np.linalg.eigh(matrix[np.ix_(moved, moved)])
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    triangular = np.linalg.qr(root.T)[1].T  # lower; signs so that a parameter alone stays as it is
    triangular *= np.sign(np.diag(triangular) + (np.diag(triangular) == 0))
    result = unit.copy()
    result[:, moved] = ndtr(ndtri(np.clip(unit[:, moved], EDGE, 1 - EDGE)) @ triangular.T)
    return result


def refuse_correlated_groups(
    parameters: Sequence[Parameter], groups: Sequence[str], copula: GaussianCopula | None, matrix: Array | None
) -> None:
    """Raise `InvalidValueError` with the reason where correlated parameters are in different groups."""
    if copula is None or matrix is None:
        return
    for i, j in zip(*np.nonzero(np.triu(matrix, 1)), strict=True):
        if groups[i] != groups[j]:
            a, b = parameters[i].id, parameters[j].id
            raise InvalidValueError(
                f"{a} and {b} are correlated ({matrix[i, j]:g}) but in different groups: the variance of an outcome "
                f"cannot then be divided between them, and S1 and ST of each alone have no meaning; put them in one "
                f"group, groups={{'together': [{a!r}, {b!r}], ...}}, or take copula= out"
            )


@dataclass(frozen=True, kw_only=True, repr=False)
class Factors(Brief, Named):
    """What varies in a sensitivity analysis, with which laws, and what is counted as one factor.

    Attributes:
        parameters: None for every parameter with a range, names, or {name: (low, high)}: log-uniform where low > 0,
            else uniform; (low, high, law) asks for 'uniform', 'loguniform', 'normal' or 'lognormal' (low and high are
            then the central 95 percent), and None for the range of the table. In the unit of the model. Gains of wires
            are given so, and what else can be set: inputs, compartments, and start values where the model starts from
            its file.
        groups: None, 'module', 'kind' (of evidence), 'wire' (one index per wire, its gain from 0 to 1), or
            {group: names}, which varies what it names; each of named `parameters` must then be in a group.
        copula: correlations of parameters of one group.

    Raises:
        InvalidValueError: for another kind of copula; the rest is checked against the model of an analysis.

    Example:
        >>> Factors(groups="module")
        Factors(parameters=None, groups='module', copula=None)
    """

    parameters: Wanted = None
    groups: Groups = None
    copula: GaussianCopula | None = None

    def __post_init__(self) -> None:
        example = "GaussianCopula(correlations={('Vmax', 'Km'): 0.8})"
        require_kind("copula", self.copula, (GaussianCopula, type(None)), example)


def factors_of(factors: Factors | Wanted) -> Factors:
    """The factors themselves, or those with these parameters; `InvalidValueError` for another kind of thing."""
    kinds = (Factors, Sequence, Mapping, type(None))
    require_kind("factors", factors, kinds, "['k', 'Vmax'], {'k': (1, 10)} or Factors(groups='module')")
    return factors if isinstance(factors, Factors) else Factors(parameters=factors)


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """Factors as one model has them.

    Attributes:
        parameters: what varies.
        group_of: the group of each.
        correlation: (parameters, parameters); None where they are independent.

    Example:
        >>> import pathway_models as pm
        >>> choose_factors(pm.load("acupuncture"), Factors(parameters=["gain_vagal"])).group_of
        ('gain_vagal',)
    """

    parameters: tuple[Parameter, ...]
    group_of: tuple[str, ...]
    correlation: Array | None

    def table(self, unit: Array) -> Array:
        """Values of the parameters (rows x parameters), in the unit of the model.

        Args:
            unit: places in 0..1 (rows x parameters).
        """
        places = unit if self.correlation is None else correlate(unit, self.correlation)
        return np.column_stack([sample(p, places[:, j]) for j, p in enumerate(self.parameters)])


def choose_factors(model: Model, factors: Factors) -> Chosen:
    """The factors that `model` has; raises for what it lacks, and for correlated ones in different groups."""
    wanted, groups, copula = factors.parameters, factors.groups, factors.copula
    chosen, names = assign_groups(model, choose(model, wanted, groups), groups, named=wanted is not None)
    matrix = None if copula is None else copula.matrix(model, chosen)
    refuse_correlated_groups(chosen, names, copula, matrix)
    return Chosen(parameters=chosen, group_of=tuple(names), correlation=matrix)
