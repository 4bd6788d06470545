"""Measurements that come with a model and the experiments that they were made in, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Period:
    """What an experiment sets from a time on: (id, formula) pairs."""

    time: float
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured number, and the formulas of what it measures and of its noise."""

    observable: str
    experiment: str
    time: float  # infinite: at rest
    measurement: float
    unit: str
    formula: str
    noise_formula: str
    distribution: str


@dataclass(frozen=True, kw_only=True)
class Experiments:
    """All measurements of a problem, the periods of its experiments, and the constants that only formulas know.

    `in_file`: what an experiment sets at its start is as if it stood in the model file, so that initial assignments
    follow it (PEtab 1); else it is set after them (PEtab 2).
    """

    measurements: tuple[Measurement, ...]
    periods: tuple[tuple[str, tuple[Period, ...]], ...]
    constants: tuple[tuple[str, float], ...]
    in_file: bool
