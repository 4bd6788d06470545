"""Measurements that come with a model and the experiments that they were made in, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Period:
    """What an experiment sets from a time on.

    Attributes:
        time: of the model; -inf until the model rests.
        values: (id, formula) pairs.

    Example:
        >>> Period(time=24.0, values=(("BHB", "2.0"),)).values[0]
        ('BHB', '2.0')
    """

    time: float
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured number, and the formulas of what it measures and of its noise.

    Attributes:
        observable: id of what is measured.
        experiment: id of the experiment.
        time: of the model; infinite is at rest.
        measurement: the number, in `unit`.
        unit: as text.
        formula: what is measured, over ids of the model.
        noise_formula: the noise, over the same ids.
        distribution: law of the noise, such as 'normal'.

    Example:
        >>> Measurement(observable="o", experiment="e", time=1.0, measurement=2.0, unit="", formula="x",
        ...             noise_formula="0.1", distribution="normal").formula
        'x'
    """

    observable: str
    experiment: str
    time: float
    measurement: float
    unit: str
    formula: str
    noise_formula: str
    distribution: str


@dataclass(frozen=True, kw_only=True)
class Experiments:
    """All measurements of a problem, the periods of its experiments, and the constants that only formulas know.

    Attributes:
        measurements: the measured numbers.
        periods: (id, periods) of each experiment.
        constants: (id, value) of what only formulas know.
        in_file: whether what an experiment sets at its start is as if it stood in the model file, so that initial
            assignments follow it (PEtab 1); else it is set after them (PEtab 2).

    Example:
        >>> Experiments(measurements=(), periods=(), constants=(), in_file=False).in_file
        False
    """

    measurements: tuple[Measurement, ...]
    periods: tuple[tuple[str, tuple[Period, ...]], ...]
    constants: tuple[tuple[str, float], ...]
    in_file: bool
