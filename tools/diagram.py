"""Diagrams in Mermaid, which GitHub draws: what acts on what in a module, and the wires of a coupled model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pathway_models as pm
from equations import influences
from pathway_models.modules.coupling import SharedInput, Wire

STYLES = (
    "classDef input fill:#DCEBF7,stroke:#0072B2,color:#000",
    "classDef state fill:#FFFFFF,stroke:#333333,color:#000",
    "classDef output fill:#E3F4EC,stroke:#009E73,color:#000",
)
FALLING, MIXED = "#D55E00", "#555555"
# Small gaps and a large font: a page is about 1,000 pixels wide, and the drawing is shrunk to it.
LAYOUT = '%%{{init: {{"flowchart": {{"nodeSpacing": {gap}, "rankSpacing": {rank}, "padding": 6}}, {font}}}}}%%'
FONT = '"themeVariables": {"fontSize": "24px"}'
ARROWS = {1: "-->", -1: "--x", 0: "-.->"}
MOST_LABELS = 30  # arrows of a coupled model that can be labelled and still be read
KEY = (
    "Blue: inputs. White: states. Green: outputs that are computed from them. Arrow: raises; red with a cross: lowers; "
    "dashed: either, depending on where the model stands. Direct effects near the rest of untreated epilepsy under the "
    "default hypotheses; what has none there, and what a state does to itself, is not drawn."
)


def fenced(lines: Iterable[str], *, gap: int, rank: int) -> str:
    """A Mermaid flowchart from top to bottom, with the gaps between nodes and between ranks in pixels."""
    head = LAYOUT.format(gap=gap, rank=rank, font=FONT)
    return "\n".join(["```mermaid", head, "flowchart TD", *STYLES, *lines, "```"])


def module_diagram(model: pm.Model) -> str:
    """Inputs, states and assigned outputs of a module with signed arrows."""
    signs = influences(model)
    drawn = [k for pair in signs for k in pair]
    inputs = {p.id for p in model.input_ports} - set(model.states)
    lines = [_node(k, "input" if k in inputs else "state" if k in model.states else "output") for k in _once(drawn)]
    lines += [f"{a} {ARROWS[sign]} {b}" for (a, b), sign in signs.items()]
    return fenced([*lines, *_coloured(list(signs.values()))], gap=15, rank=30)


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _node(name: str, role: str) -> str:
    left, right = {"input": ("([", "])"), "state": ("[", "]"), "output": ("(", ")")}[role]
    return f'{name}{left}"{name}"{right}:::{role}'


def _coloured(signs: Sequence[int]) -> list[str]:
    """Link styles by position: what lowers is red, what does both is grey."""
    styles = []
    for sign, colour in ((-1, FALLING), (0, MIXED)):
        places = [str(i) for i, s in enumerate(signs) if s == sign]
        styles += [f"linkStyle {','.join(places)} stroke:{colour}"] if places else []
    return styles


def coupled_diagram(titles: Mapping[str, str], wires: Sequence[Wire], shared: Sequence[SharedInput]) -> str:
    """Modules as nodes; all wires between two of them in one arrow, labelled with what they carry if there is room."""
    carried: dict[tuple[str, str], list[str]] = {}
    for wire in wires:
        start, _, port = wire.source.rpartition(".")
        carried.setdefault((start or port, wire.target.split(".")[0]), []).append(port if start else "")
    roomy = len(carried) <= MOST_LABELS
    lines = [_node(s.id, "input") for s in shared]
    for name, title in titles.items():
        lines.append(f'{name}["<b>{name}</b><br/>{title}"]:::state' if roomy else _node(name, "state"))
    lines += [f"{a} -->{_label(ports) if roomy else ''} {b}" for (a, b), ports in carried.items()]
    return fenced(lines, gap=30, rank=60) if roomy else fenced(lines, gap=40, rank=50)


def _label(ports: Sequence[str]) -> str:
    return f'|"{"<br/>".join(ports)}"|' if any(ports) else ""
