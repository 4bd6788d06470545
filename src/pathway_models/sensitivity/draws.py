"""Draws of parameters from their tables: the rows of an ensemble."""

from __future__ import annotations

import numpy as np

from .._types import Array
from ..errors import require_count
from ..models.model import Model
from ..modules.flat import require_model
from .factors import Factors, Wanted, choose_factors, factors_of


def draw(model: Model, n: int, *, seed: int = 1, factors: Factors | Wanted = None) -> dict[str, Array]:
    """`n` draws of parameters from their laws, as columns for `ensemble`.

    The rows are the first `n` of a scrambled Sobol sequence of that `seed`, which fills the ranges evenly, best for n a
    power of two.

    Args:
        model: what `pathway_models.load` gives.
        n: number of rows.
        seed: of the sequence.
        factors: what varies: `Factors`, or its parameters alone; groups play no part.

    Returns:
        Parameter id -> values (n), in the unit of the model.

    Raises:
        InvalidValueError: for n outside 1 to 10 million and as `sobol`.
        UnknownNameError: for unknown names.

    Source:
        Owen 1998, doi:10.1006/jcom.1998.0487.

    Example:
        >>> import pathway_models as pm
        >>> columns = pm.draw(pm.load("acupuncture"), 4, factors=["gain_vagal"])
        >>> len(columns["gain_vagal"])
        4
    """
    from scipy.stats import qmc  # here and not above: it would double the import time of the package

    require_model(model)
    require_count("the number of draws", n, 1, 10_000_000)
    require_count("seed", seed, 0)
    chosen = choose_factors(model, factors_of(factors))
    stream = np.random.default_rng(np.random.SeedSequence(seed))
    places = qmc.Sobol(len(chosen.parameters), rng=stream).random_base2(int(np.ceil(np.log2(n))))[:n]
    return dict(zip((p.id for p in chosen.parameters), chosen.table(places).T, strict=True))
