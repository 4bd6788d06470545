"""Draws of parameters from their tables: the rows of an ensemble."""

from __future__ import annotations

import numpy as np

from .._types import Array
from ..errors import require_count
from ..models.model import Model
from ..modules.flat import require_model
from ..modules.laws import sample
from .factors import Wanted, choose


def draw(model: Model, n: int, *, seed: int = 1, parameters: Wanted = None) -> dict[str, Array]:
    """`n` draws of the parameters of `model` from their laws, as columns for `ensemble`.

    The rows are the first `n` of a scrambled Sobol sequence of that `seed`, which fills the ranges evenly, best for n a
    power of two. `parameters` as in `sobol`: None for all with a range, names, or {name: (low, high)}, log-uniform
    where low > 0, or {name: (low, high, law)}. Units as in the model. Raises `InvalidValueError` for n outside 1 to 10
    million and as `sobol` does, `UnknownNameError` for unknown names. Source: Owen 1998, doi:10.1006/jcom.1998.0487.

    >>> import pathway_models as pm
    >>> columns = pm.draw(pm.load("acupuncture"), 4, parameters=["gain_vagal"])
    >>> len(columns["gain_vagal"])
    4
    """
    from scipy.stats import qmc  # here and not above: it would double the import time of the package

    require_model(model)
    require_count("the number of draws", n, 1, 10_000_000)
    require_count("seed", seed, 0)
    chosen = choose(model, parameters)
    stream = np.random.default_rng(np.random.SeedSequence(seed))
    places = qmc.Sobol(len(chosen), rng=stream).random_base2(int(np.ceil(np.log2(n))))[:n]
    return {p.id: sample(p, places[:, i]) for i, p in enumerate(chosen)}
