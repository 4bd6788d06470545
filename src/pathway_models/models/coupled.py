"""Coupled models as their TOML has them, and as models: the wires' gains are parameters, the driven inputs are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from .._files.authored import short_path
from .._sbml import sbml
from ..errors import ModelError, unknown_name
from ..modules.coupling import Combine, SharedInput, Wire
from ..modules.module import Module, Parameter, Port


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SharedEntry:
    """[inputs.NAME] of a coupled model: an input, dimensionless, that feeds several modules."""

    title: Annotated[str, "what the input is"]
    reference: Annotated[float, "its value in health"]
    low: Annotated[float, "least value allowed"]
    high: Annotated[float, "largest value allowed"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class WireEntry:
    """[[wire]] of a coupled model."""

    from_: Annotated[str, "module.output, or the name of an input of this model"]
    to: Annotated[str, "module.input"]
    scale: Annotated[float, "factor on the output"] = 1.0
    combine: Annotated[Combine, "how several wires drive one input; one of them must say it"] = ""
    reference: Annotated[
        float | None, "scale*output without effect, in the unit of the output; usually the input's value in health"
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CoupledFile:
    """The TOML of a coupled model."""

    title: Annotated[str, "what the model is"]
    modules: Annotated[tuple[str, ...], "names of modules, ours and yours, beside those of what it extends"] = ()
    notes: Annotated[str, "what to know before use"] = ""
    extends: Annotated[str, "a coupled model whose modules, wires, inputs and aliases come first"] = ""
    wire: Annotated[tuple[WireEntry, ...], "outputs that drive inputs"] = ()
    aliases: Annotated[Mapping[str, str], "short name -> module.variable"] = field(default_factory=dict)
    inputs: Annotated[Mapping[str, SharedEntry], "inputs that feed several modules"] = field(default_factory=dict)

    def after(self, base: CoupledFile) -> CoupledFile:
        """This model with what it extends in front.

        Args:
            base: what it extends.

        Raises:
            ModelError: an alias or an input that stands for something there already.
        """
        for place, here, there in (("aliases", self.aliases, base.aliases), ("inputs", self.inputs, base.inputs)):
            if twice := sorted(here.keys() & there.keys()):
                raise ModelError(f"{place}: {twice[0]} is there already in {base.title!r}; take another name")
        return replace(
            self,
            modules=base.modules + self.modules,
            wire=base.wire + self.wire,
            aliases={**base.aliases, **self.aliases},
            inputs={**base.inputs, **self.inputs},
        )

    @property
    def wires(self) -> list[Wire]:
        """The wires as coupling takes them."""
        return [
            Wire(source=w.from_, target=w.to, scale=w.scale, combine=w.combine, reference=w.reference)
            for w in self.wire
        ]

    @property
    def shared(self) -> list[SharedInput]:
        """The inputs that feed several modules, as coupling takes them."""
        return [
            SharedInput(id=k, title=v.title, reference=v.reference, low=v.low, high=v.high)
            for k, v in self.inputs.items()
        ]


def check_coupled(path: Path, made: CoupledFile, wires: Sequence[Wire], text: str) -> None:
    """The generated model has every wire and every alias of its TOML."""
    file, name = short_path(path), path.stem
    ids = sbml.content(text, name).quantities
    for wire in wires:
        check_target(path, wire)
        if wire.gain not in ids:
            raise ModelError(f"{file}: the wire {wire.source} -> {wire.target} is not in {name}.xml: run make models")
    for alias, target in made.aliases.items():
        if target.replace(".", "__") not in ids:
            known = [i.replace("__", ".", 1) for i in ids]
            raise ModelError(f"{file}: aliases.{alias}: {unknown_name('variable', target, known)}")


def check_target(path: Path, wire: Wire) -> None:
    """A target is written as module.input; `ModelError` that says so."""
    if wire.target.count(".") != 1:
        where = f"{short_path(path)}: the wire {wire.source} -> {wire.target!r}"
        raise ModelError(f"{where}: write the target as module.input")


def gain_parameters(wires: Iterable[Wire]) -> tuple[Parameter, ...]:
    """A parameter per wire: 1 couples, 0 cuts."""
    return tuple(
        Parameter(
            id=w.gain,
            value=1.0,
            unit="dimensionless",
            kind="gain",
            module="wires",
            note=f"{w.source} -> {w.target}",
        )
        for w in wires
    )


def open_inputs(modules: Iterable[Module], wires: Iterable[Wire], shared: Iterable[SharedInput]) -> tuple[Port, ...]:
    """The inputs of a coupled model: the shared ones, and those of its modules that no wire drives."""
    driven = {w.target.replace(".", "__") for w in wires}
    own = tuple(
        Port(
            id=s.id,
            title=s.title,
            unit="dimensionless",
            role="level",
            reference=s.reference,
            low=s.low,
            high=s.high,
        )
        for s in shared
    )
    return own + tuple(p for m in modules for p in m.inputs if p.id not in driven)
