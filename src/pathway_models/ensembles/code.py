"""Objects as the Python code that makes them again."""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from inspect import ismodule
from typing import Any

import numpy as np

from ..models.collection import DEFAULT_CONTEXT, Library
from ..models.model import Model

WIDTH = 100  # characters of a line of code


PACKAGE = __package__.partition(".")[0]


def is_ours(thing: object) -> bool:
    """Whether a class of this package made it."""
    return type(thing).__module__.startswith(f"{PACKAGE}.")


def public_name(kind: type) -> str:
    """The name by which a class of this package is reached from `pm`, as short as there is.

    >>> from pathway_models.treatments import Fasting
    >>> public_name(Fasting)
    'pm.treatments.Fasting'
    """
    package = sys.modules[PACKAGE]
    rooms = [package, *(room for name in package.__all__ if ismodule(room := getattr(package, name)))]
    home = next((r.__name__ for r in rooms if getattr(r, kind.__name__, None) is kind), kind.__module__)
    return f"pm{home.removeprefix(PACKAGE)}.{kind.__name__}"


def changed_fields(thing: Any) -> dict[str, Any]:
    """Fields of a dataclass that differ from their defaults."""
    found = {}
    for f in fields(thing):
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        value = getattr(thing, f.name)
        if f.init and (default is MISSING or (value is not default and _differ(value, default))):
            found[f.name] = value
    return found


def _differ(value: Any, default: Any) -> bool:
    return not np.array_equal(value, default) if isinstance(value, np.ndarray) else bool(value != default)


def literal(value: Any) -> str:
    """A value as Python code, our objects under `pm.`.

    >>> from pathway_models import Outcome
    >>> literal([Outcome(variable="IL1B", reduce="peak")])
    "[pm.Outcome(variable='IL1B', reduce='peak')]"
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Model):
        return model_code(value)
    if hasattr(value, "code"):
        return str(value.code())
    if is_dataclass(value) and not isinstance(value, type):
        name = public_name(type(value)) if is_ours(value) else type(value).__name__
        arguments = ", ".join(f"{k}={literal(v)}" for k, v in changed_fields(value).items())
        return f"{name}({arguments})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple) and value:
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    plain = value is None or isinstance(value, str | int | float)
    return repr(value) if plain else f"{type(value).__name__}(...)"


def call(function: str, arguments: Iterable[tuple[str, Any]]) -> str:
    """A call with these (name or nothing, value) pairs: on one line, or one argument a line where that is too long.

    >>> call("pm.draw", [("", "k"), ("n", 8)])
    "pm.draw('k', n=8)"
    """
    texts = [(f"{name}={literal(value)}" if name else literal(value)) for name, value in arguments]
    line = f"{function}({', '.join(texts)})"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    lines = [line for text in texts for line in _argument(text)]
    return "\n".join([f"{function}(", *(f"    {line}" for line in lines), ")"])


def _argument(text: str) -> Iterator[str]:
    """An argument on one line, or a long list with one item a line."""
    if len(text) + 5 <= WIDTH or "\n" in text or not text.endswith(("]", "}")):
        yield from f"{text},".split("\n")
        return
    name, separator, body = text.partition("=") if text[0] not in "[{" else ("", "", text)
    tree = ast.parse(body, mode="eval").body
    if isinstance(tree, ast.Dict):
        items = [f"{ast.unparse(k)}: {ast.unparse(v)}" for k, v in zip(tree.keys, tree.values, strict=True) if k]
    else:
        items = [ast.unparse(item) for item in getattr(tree, "elts", [])]
    yield f"{name}{separator}{body[0]}"
    yield from (f"    {item}," for item in items)
    yield f"{body[-1]},"


# ---- the model -----------------------------------------------------------------------------------------------------


def changes(model: Model) -> tuple[bool, dict[str, str], dict[str, float]]:
    """Whether it is a model of the library; hypotheses and constants that differ from what `load` gives."""
    library = Library(folders=model.folders)
    ours = model.context is not None and model.name in (*library.coupled, *library.modules)
    base = library.load(model.name, context=model.context or DEFAULT_CONTEXT) if ours else None
    if base is None or base.sbml != model.sbml:
        return False, {}, dict(model.settings)
    other = {k: v for k, v in model.settings.items() if base.settings.get(k) != v}
    alternatives = {}
    for h in model.hypothesis_set:
        for name, alternative in h.alternatives.items():
            if alternative.settings and alternative.settings.items() <= other.items():
                alternatives[h.id] = name
                other = {k: v for k, v in other.items() if k not in alternative.settings}
                break
    return True, alternatives, other


def model_code(model: Model) -> str:
    """The model as `load` gives it, with its hypotheses and constants; a file under the path that it was read from.

    >>> from pathway_models import load
    >>> model_code(load("acupuncture").with_parameters(efficacy=0.5))
    "pm.load('acupuncture').with_parameters({'efficacy': 0.5})"
    """
    ours, alternatives, constants = changes(model)
    path, *member = model.source or (model.name if ours else f"{model.name}.xml",)
    arguments = [("", path), *(("model", m) for m in member)]
    if ours and model.context not in (None, DEFAULT_CONTEXT):
        arguments.append(("context", str(model.context)))
    folders = ", ".join(literal(str(f)) for f in model.folders) if ours else ""
    code = call(f"pm.library({folders}).load" if folders else "pm.load", arguments)
    code += "".join(f".with_hypothesis({h!r}, {a!r})" for h, a in alternatives.items())
    return code + (f".with_parameters({literal(constants)})" if constants else "")
