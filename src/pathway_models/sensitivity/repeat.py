"""How to repeat an analysis: the Python and the command line that give the same numbers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import numpy as np

from ..ensembles.outcomes import Outcome
from ..errors import InvalidValueError, PathwayModelsError, unknown_name
from ..models.library import DEFAULT_CONTEXT, Library
from ..models.model import Model
from ..treatments.named import NAMED, named
from ..treatments.schedule import snake
from .factors import Range
from .results import SobolData

WIDTH = 100  # characters of a line of code
DEFAULTS = {
    "weeks": None,
    "duration": None,
    "every": None,
    "times": (),
    "start": "auto",
    "copula": None,
    "limits": None,
    "rtol": None,
    "atol": None,
}
OUTCOME_OPTIONS = ("reduce", "window", "relative", "label")
OUTCOME_HELP = (
    "a variable, repeatable; options after a colon: reduce=mean (default: of the last 4 weeks), final, peak, trough, "
    "area or time_to_half; relative=yes (to before treatment); window=168 (model time); label=TEXT (last); "
    "e.g. IL1B:reduce=peak,relative=yes"
)


# ---- outcomes as text ----------------------------------------------------------------------------------------------


def outcome_named(text: str) -> Outcome:
    """An outcome from its command-line form: `IL1B`, `IL1B:reduce=peak,relative=yes`; window in model time, label last.

    Raises `UnknownNameError` for another option and `InvalidValueError` for a bad value.

    >>> outcome_named("IL1B:reduce=peak").name
    'IL1B peak'
    """
    variable, _, rest = text.partition(":")
    rest, *label = f",{rest}".split(",label=", 1)
    options: dict[str, Any] = {"label": label[0]} if label else {}
    for part in filter(None, rest.split(",")):
        key, separator, value = part.partition("=")
        if key not in OUTCOME_OPTIONS:
            raise unknown_name(f"option of the outcome {variable}", key, OUTCOME_OPTIONS)
        if not separator or not value:
            raise InvalidValueError(f"{part} of {variable}: write {key}=VALUE")
        options[key] = _option(variable, key, value)
    return Outcome(variable=variable, **options)


def parameters_named(texts: Sequence[str] | None) -> dict[str, Range | None] | None:
    """Parameters from `NAME` (None: the range of the table), `NAME=LOW:HIGH` or `NAME=LOW:HIGH:LAW`; None for none.

    >>> parameters_named(["k", "Vmax=1:2", "Km=1:2:uniform"])
    {'k': None, 'Vmax': (1.0, 2.0), 'Km': (1.0, 2.0, 'uniform')}
    """
    found: dict[str, Range | None] = {}
    for text in texts or ():
        name, separator, bounds = text.partition("=")
        if name in found:
            raise InvalidValueError(f"--parameter names {name} twice")
        found[name] = _bounds(text, bounds) if separator else None
    return found or None


def _bounds(text: str, bounds: str) -> Range:
    try:
        low, high, *law = bounds.split(":", 2)
        ends = float(low), float(high)
    except ValueError:
        raise InvalidValueError(
            f"--parameter {text}: write NAME=LOW:HIGH, e.g. NAME=0.1:10, or NAME=LOW:HIGH:LAW"
        ) from None
    return (*ends, law[0]) if law else ends


def times_named(text: str | None) -> list[float]:
    """Times from `0,24,168`."""
    try:
        return [float(part) for part in (text or "").split(",") if part.strip()]
    except ValueError:
        raise InvalidValueError(f"--times {text}: write numbers in model time, e.g. 0,24,168") from None


def _option(variable: str, key: str, value: str) -> str | float | bool:
    if key == "window":
        try:
            return float(value)
        except ValueError:
            raise InvalidValueError(f"window={value} of {variable}: write a number, in model time") from None
    if key == "relative":
        if value not in ("yes", "no"):
            raise InvalidValueError(f"relative={value} of {variable}: write yes or no")
        return value == "yes"
    return value


def _outcome_text(outcome: str | Outcome) -> str | None:
    """The command-line form; None if there is none."""
    if isinstance(outcome, str):
        return outcome
    said = {k: v for k, v in _said(outcome).items() if k != "variable"}
    words = {True: "yes", False: "no"}
    parts = [f"{k}={words[v] if isinstance(v, bool) else v}" for k, v in said.items()]
    text = outcome.variable + (":" + ",".join(parts) if parts else "")
    return text if _same(outcome_named, text, outcome) else None


def _treatment_text(treatment: object) -> str | None:
    """The command-line form; None if there is none."""
    name = getattr(treatment, "name", "") or snake(type(treatment).__name__)
    if name not in NAMED or not _is_ours(treatment):
        return None
    parts = [f"{k}={v}" for k, v in _said(treatment).items() if k != "name"]
    text = name + (":" + ",".join(parts) if parts else "")
    return text if _same(named, text, treatment) else None


def _same(read: Any, text: str, thing: object) -> bool:
    try:
        return bool(read(text) == thing)
    except PathwayModelsError:
        return False


# ---- Python --------------------------------------------------------------------------------------------------------


def _said(thing: Any) -> dict[str, Any]:
    """Fields of a dataclass that differ from their defaults."""
    found = {}
    for f in fields(thing):
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        value = getattr(thing, f.name)
        if f.init and (default is MISSING or value != default):
            found[f.name] = value
    return found


def _is_ours(thing: object) -> bool:
    return type(thing).__module__.startswith("pathway_models.")


def literal(value: Any) -> str:
    """A value as Python code, our objects under `pm.`.

    >>> literal([Outcome(variable="IL1B", reduce="peak")])
    "[pm.Outcome(variable='IL1B', reduce='peak')]"
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        prefix = "pm." if _is_ours(value) else ""
        return f"{prefix}{type(value).__name__}({', '.join(f'{k}={literal(v)}' for k, v in _said(value).items())})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple) and value:
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(literal, value)) + "]"
    plain = value is None or isinstance(value, str | int | float)
    return repr(value) if plain else f"{type(value).__name__}(...)"


def python_code(result: SobolData, source: str) -> str:
    """A script that repeats the analysis."""
    arguments = dict(_arguments(result))
    things = [*arguments["treatments"], *arguments["outcomes"]]
    theirs = dict.fromkeys(type(t).__name__ for t in things if not isinstance(t, str) and not _is_ours(t))
    lines = [
        "import pathway_models as pm",
        *(f"# {name} is a class of your own: import it here" for name in theirs),
        "",
    ]
    lines += [*_model_lines(result, source), "result = pm.sobol(", "    model,"]
    lines += _wrapped(literal(list(arguments.pop("treatments"))))
    for key, value in arguments.items():
        lines += _wrapped(f"{key}={literal(value)}")
    return "\n".join([*lines, ")", "print(result.summary())"])


def _wrapped(text: str) -> list[str]:
    """An argument on one line, or a long list with one item a line."""
    line = f"    {text},"
    if len(line) <= WIDTH or not text.endswith(("]", "}")):
        return [line]
    import ast

    key, separator, body = text.partition("=") if text[0] not in "[{" else ("", "", text)
    tree = ast.parse(body, mode="eval").body
    if isinstance(tree, ast.Dict):
        items = [f"{ast.unparse(k)}: {ast.unparse(v)}" for k, v in zip(tree.keys, tree.values, strict=True) if k]
    else:
        items = [ast.unparse(item) for item in getattr(tree, "elts", [])]
    return [f"    {key}{separator}{body[0]}", *(f"        {item}," for item in items), f"    {body[-1]},"]


def _arguments(result: SobolData) -> Iterator[tuple[str, Any]]:
    assert result.study is not None
    assert result.runs.plan is not None
    asked, study = result.study.asked, result.study
    yield "treatments", asked["treatments"]
    outcomes = asked["outcomes"]
    listed = [outcomes] if isinstance(outcomes, str | Outcome) else list(outcomes)
    yield "outcomes", [o.variable if o == Outcome(variable=getattr(o, "variable", "")) else o for o in listed]
    yield "n", result.design.n
    yield "seed", study.seed
    wanted = asked["parameters"]
    if wanted is not None:
        by_table = isinstance(wanted, Mapping) and not any(wanted.values())
        yield "parameters", list(wanted) if by_table else wanted
    if asked["groups"] is not None:
        yield "groups", asked["groups"]
    if study.second_order:
        yield "second_order", True
    for key, default in DEFAULTS.items():
        value = asked[key]
        if key == "times" and len(value):
            yield key, [float(t) for t in value]
        elif key != "times" and value != default:
            yield key, value
    if study.resamples != 1000:
        yield "resamples", study.resamples
    yield "engine", result.runs.plan.engine


# ---- the model -----------------------------------------------------------------------------------------------------


def changes(model: Model) -> tuple[bool, dict[str, str], dict[str, float]]:
    """Whether it is a model of the library; hypotheses and constants that differ from what `load` gives."""
    library = Library(folders=model.folders)
    ours = model.context is not None and model.name in (*library.coupled, *library.modules)
    base = library.load(model.name, context=model.context or DEFAULT_CONTEXT) if ours else None
    if base is None or base.sbml != model.sbml:
        return False, {}, dict(model.settings)
    other = {k: v for k, v in model.settings.items() if base.settings.get(k) != v}
    readings = {}
    for h in model.hypotheses_:
        for name, alternative in h.alternatives.items():
            if name != h.default and alternative.settings and alternative.settings.items() <= other.items():
                readings[h.id] = name
                other = {k: v for k, v in other.items() if k not in alternative.settings}
                break
    return True, readings, other


def _model_lines(result: SobolData, source: str) -> list[str]:
    assert result.study is not None
    model = result.study.plan.model
    ours, readings, constants = changes(model)
    read = f"pm.library({', '.join(literal(str(f)) for f in model.folders)})" if ours and model.folders else "pm"
    loaded = f"{read}.load({literal(model.name if ours else source or model.name + '.xml')}"
    if ours and model.context not in (None, DEFAULT_CONTEXT):
        loaded += f", context={literal(model.context)}"
    lines = [f"model = {loaded})"]
    if not ours:
        lines[0] += "  # the file that was analysed" + ("" if source else "; give its own path")
    lines += [f"model = model.with_hypothesis({h!r}, {a!r})" for h, a in readings.items()]
    return [*lines, *([f"model = model.with_parameters({literal(constants)})"] if constants else [])]


# ---- the command line ----------------------------------------------------------------------------------------------


def command_line(result: SobolData, source: str) -> tuple[str, str]:
    """The command that repeats the analysis, and an empty text; or an empty command and the reason."""
    assert result.study is not None
    model, asked = result.study.plan.model, result.study.asked
    arguments = dict(_arguments(result))
    treatments = [_treatment_text(t) for t in asked["treatments"]]
    outcomes = [_outcome_text(o) for o in arguments["outcomes"]]
    beyond: list[str] = [k for k in ("start", "copula", "limits", "resamples") if k in arguments]
    beyond += [k for k, texts in (("this treatment", treatments), ("this outcome", outcomes)) if None in texts]
    if isinstance(asked["groups"], Mapping):
        beyond.append("groups by hand")
    if beyond:
        return "", f"The command line cannot say {', '.join(beyond)}."
    ours, readings, constants = changes(model)
    words = [model.name if ours else source or f"{model.name}.xml"]
    words += [w for folder in model.folders for w in ("--library", str(folder))] if ours else []
    if ours and model.context not in (None, DEFAULT_CONTEXT):
        words += ["--context", str(model.context)]
    words += [w for h, a in readings.items() for w in ("--hypothesis", f"{h}={a}")]
    words += [w for k, v in constants.items() for w in ("--set", f"{k}={v!r}")]
    words += [w for t in treatments for w in ("--treat", str(t))]
    words += [w for o in outcomes for w in ("--outcome", str(o))]
    return shlex.join(["pathway-models", "sobol", *words, *_options(arguments)]), ""


def _bound(part: float | str) -> str:
    return part if isinstance(part, str) else repr(float(part))


def _options(arguments: Mapping[str, Any]) -> Iterator[str]:
    yield from ("--n", str(arguments["n"]), "--seed", str(arguments["seed"]))
    wanted = arguments.get("parameters", ())
    for name in wanted:
        bounds = wanted[name] if isinstance(wanted, Mapping) else None
        yield from ("--parameter", name if bounds is None else f"{name}={':'.join(map(_bound, bounds))}")
    for key in ("groups", "weeks", "duration", "every", "rtol"):
        if key in arguments:
            yield from (f"--{key}", str(arguments[key]))
    if "atol" in arguments:
        asked = arguments["atol"]
        texts = [f"{k}={v!r}" for k, v in asked.items()] if isinstance(asked, Mapping) else [repr(asked)]
        yield from (word for text in texts for word in ("--atol", text))
    if "times" in arguments:
        yield from ("--times", ",".join(map(repr, arguments["times"])))
    if "second_order" in arguments:
        yield "--second-order"
    yield from ("--engine", arguments["engine"])
