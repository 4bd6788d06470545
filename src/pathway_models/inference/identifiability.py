"""What the observations say of the constants of a fit, and what they leave open: linear algebra of the Jacobian."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .._types import Array
from ..modules.module import Parameter
from .objective import PRIOR_SD, edges, logarithmic


def spectrum(jacobian: Array) -> tuple[Array, Array, Array]:
    """Left vectors, one singular value per constant (0 where there are fewer observations), right vectors as rows."""
    count = jacobian.shape[1]
    padded = np.vstack([jacobian, np.zeros((max(0, count - len(jacobian)), count))])
    left, sizes, right = np.linalg.svd(padded, full_matrices=False)
    return left, sizes, right


def deviations(jacobian: Array, *, prior: bool) -> Array:
    """Standard deviation of each constant in its range; at most 10 ranges where nothing says anything."""
    _, sizes, right = spectrum(jacobian)
    information = sizes**2 + (1 / PRIOR_SD**2 if prior else 0.0)
    variance = (right**2 / np.maximum(information, 1e-2)[:, None]).sum(axis=0)
    return np.asarray(np.sqrt(variance), dtype=np.float64)


def open_questions(parameters: Sequence[Parameter], jacobian: Array) -> tuple[str, ...]:
    limit = 1 / PRIOR_SD
    norms = np.linalg.norm(jacobian, axis=0)
    silent = [p.id for p, norm in zip(parameters, norms, strict=True) if norm < limit]
    known = [j for j in range(len(parameters)) if norms[j] >= limit]
    lines = [f"The data say less than the range does about {', '.join(silent)}."] if silent else []
    if known:
        _, sizes, right = spectrum(jacobian[:, known])
        members = [parameters[j] for j in known]
        lines += [_trade_off(members, v, jacobian[:, known]) for v in _sparse(right[sizes < limit])]
    return tuple(lines)


def _sparse(basis: Array) -> Array:
    """Another basis of the same space, each vector with a constant of its own: it names fewer constants."""
    if not len(basis):
        return basis
    from scipy.linalg import qr

    pivots = qr(basis, pivoting=True)[2][: len(basis)]
    return np.asarray(np.linalg.solve(basis[:, pivots], basis), dtype=np.float64)


def _trade_off(parameters: Sequence[Parameter], vector: Array, jacobian: Array) -> str:
    """A direction in which little is known, as a change that a modeller can try, with what it does to the residuals."""
    size = np.round(np.abs(vector) / np.abs(vector).max(), 3)  # rounded: equal ones stay in the order of the table
    order = [j for j in np.argsort(-size, kind="stable") if size[j] >= 0.1]
    if len(order) == 1:
        return f"{parameters[order[0]].id} is not determined together with the others; only its range holds it."
    lead = order[0]
    low, high = edges(parameters[lead])
    unit = math.log(2) / (high - low) if logarithmic(parameters[lead]) else 0.1
    shift = vector * unit / vector[lead]
    shown = order[:5]
    moves = [_move(parameters[j], float(shift[j])) for j in shown]
    more = f" (and {len(order) - 5} smaller ones)" if len(order) > 5 else ""
    names = " and ".join(parameters[j].id for j in shown)
    moved = float(np.linalg.norm(jacobian @ shift))
    return f"The data cannot tell {names} apart: {', '.join(moves)}{more} moves all predictions by {moved:.1f} errors."


def _move(p: Parameter, shift: float) -> str:
    low, high = edges(p)
    if logarithmic(p):
        return f"{p.id} x {math.exp(shift * (high - low)):.3g}"
    return f"{p.id} {shift * (high - low):+.3g}"


def combination(parameters: Sequence[Parameter], vector: Array) -> str:
    vector = vector * (1.0 if vector[np.argmax(np.abs(vector))] >= 0 else -1.0)
    order = [j for j in np.argsort(-np.abs(vector), kind="stable") if abs(vector[j]) >= 0.1]
    return " ".join(f"{vector[j]:+.2f} {parameters[j].id}" for j in order)
