"""Options that several commands share, and what they mean: the model with its settings, and the treatments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidValueError
from ..models.collection import DEFAULT_CONTEXT, VARIABLE, Library, library
from ..models.model import Model
from ..treatments.schedule import Treatment
from ..treatments.text import treatment_classes, treatment_from_text

TREAT_HELP = (
    "a treatment, repeatable: "
    + ", ".join(treatment_classes())
    + "; options after a colon, e.g. ketogenic_diet:ratio=3,start=2 (weeks)"
)


def model_options(parser: argparse.ArgumentParser) -> None:
    """Which model, and with what changed."""
    parser.add_argument("model", help="a name (see: pathway-models list) or a path to an SBML file")
    parser.add_argument("--context", default=DEFAULT_CONTEXT, help="epilepsy (default) or healthy")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another value of a constant")
    hypothesis_option(parser)


def library_option(parser: argparse.ArgumentParser) -> None:
    """Whose models."""
    parser.add_argument(
        "--library",
        action="append",
        default=[],
        metavar="FOLDER",
        help=f"read your own models in this folder beside ours, repeatable (default: the variable {VARIABLE})",
    )


def library_of(arguments: argparse.Namespace) -> Library:
    """Our models and those of the folders."""
    return library(*arguments.library)


def hypothesis_option(parser: argparse.ArgumentParser) -> None:
    """Readings of contested mechanisms."""
    parser.add_argument(
        "--hypothesis",
        action="append",
        default=[],
        metavar="NAME=ALTERNATIVE",
        help="another alternative of a mechanism",
    )


def length_options(parser: argparse.ArgumentParser) -> None:
    """How long."""
    parser.add_argument("--weeks", type=float, help="length in weeks (default 12 for the models of the library)")
    parser.add_argument("--duration", type=float, help="length in the model's own unit of time")


def tolerance_options(parser: argparse.ArgumentParser) -> None:
    """How exactly."""
    parser.add_argument("--rtol", type=float, help="relative tolerance of the solver")
    parser.add_argument(
        "--atol",
        action="append",
        default=[],
        metavar="VALUE|STATE=VALUE",
        help="absolute tolerance of all states or of one, repeatable",
    )


def tolerances(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments `rtol` and `atol`."""
    texts = arguments.atol
    if len(texts) == 1 and "=" not in texts[0]:
        return {"rtol": arguments.rtol, "atol": _number(texts[0], "--atol ")}
    named = {k: _number(v, f"--atol {k}=") for k, v in _pairs(texts, "--atol").items()}
    return {"rtol": arguments.rtol, "atol": named or None}


def table_options(parser: argparse.ArgumentParser) -> None:
    """Where a table goes."""
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--out", type=Path, help="write the table as CSV")


def load_model(arguments: argparse.Namespace) -> Model:
    """The model with its hypotheses and constants."""
    model = library_of(arguments).load(arguments.model, context=arguments.context)
    for name, alternative in _pairs(arguments.hypothesis, "--hypothesis").items():
        model = model.with_hypothesis(name, alternative)
    return model.with_parameters({n: _number(v, f"--set {n}=") for n, v in _pairs(arguments.set, "--set").items()})


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name or not value:
            raise InvalidValueError(f"{option} {text}: write NAME=VALUE")
        if name in found:
            raise InvalidValueError(f"{option} {text}: {name} is {found[name]} already; say it once")
        found[name] = value
    return found


def treatments_of(arguments: argparse.Namespace) -> list[Treatment]:
    """The treatments; the same one twice would give twice the doses, or clash with itself."""
    found: list[Treatment] = []
    for text in arguments.treat:
        treatment = treatment_from_text(text)
        if treatment in found:
            raise InvalidValueError(f"--treat {text} is given twice; say it once, or when the second course starts")
        found.append(treatment)
    return found


def _number(text: str, before: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidValueError(f"{before}{text}: {text!r} is no number") from None
