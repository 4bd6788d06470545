"""Coupled models as their TOML has them, and as models: the wires' gains are parameters, the driven inputs are gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from .._files.authored import read_toml, short_path
from .._sbml import sbml
from ..errors import ModelError, unknown_name
from ..modules.coupling import Combine, SharedInput, Wire
from ..modules.module import Module, Parameter, Port
from ..modules.reduction import reduced_text


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
class ReductionEntry:
    """[reduction] of a coupled model: another one with fewer states, that rests where the whole one does."""

    of: Annotated[str, "the coupled model that is reduced; this one has all that is in it"]
    constant: Annotated[tuple[str, ...], "states, as module.state, that stay as they are at rest"] = ()
    quasi_steady: Annotated[tuple[str, ...], "states with a rate linear in them that follow the others at once"] = ()

    @property
    def states(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The constant and the quasi-steady states as ids."""
        return _ids(self.constant), _ids(self.quasi_steady)


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
    reduction: Annotated[ReductionEntry | None, "the model is another one with fewer states, and adds nothing"] = None

    @property
    def base(self) -> str:
        """What this one extends or reduces; empty if it stands alone."""
        return self.reduction.of if self.reduction else self.extends

    def reduced(self, text: str) -> str:
        """The flat text with the states of the reduction gone; the text itself without one.

        Args:
            text: of all modules and wires.

        Raises:
            UnknownNameError: what is no state.
            InvalidValueError: a state that cannot go, see `pathway_models.models.reduced`.
        """
        return reduced_text(text, *self.reduction.states) if self.reduction else text

    def after(self, base: CoupledFile) -> CoupledFile:
        """This model with what it extends in front.

        Args:
            base: what it extends.

        Raises:
            ModelError: an alias or an input that stands for something there already, a reduction that adds something or
                is one of a reduction.
        """
        if self.reduction and (self.modules or self.wire or self.inputs or self.extends):
            raise ModelError(
                "reduction: the model has what is in the one that it reduces; modules and wires belong there"
            )
        if self.reduction and base.reduction:
            raise ModelError(f"reduction: of: {base.title!r} is reduced already; allowed is a whole model")
        for place, here, there in (("aliases", self.aliases, base.aliases), ("inputs", self.inputs, base.inputs)):
            if twice := sorted(here.keys() & there.keys()):
                raise ModelError(f"{place}: {twice[0]} is there already in {base.title!r}; take another name")
        return replace(
            self,
            modules=base.modules + self.modules,
            wire=base.wire + self.wire,
            aliases={**base.aliases, **self.aliases},
            inputs={**base.inputs, **self.inputs},
            reduction=self.reduction or base.reduction,
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


def _ids(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(n.replace(".", "__", 1) for n in names)


def lineage(files: Mapping[str, Path], name: str) -> tuple[str, ...]:
    """A coupled model after those that it extends or reduces; `ModelError` for a ring or one that is not there."""
    names = [name]
    while base := (made := read_toml(files[names[0]], CoupledFile)).base:
        where = f"{short_path(files[names[0]])}: {'reduction: of' if made.reduction else 'extends'}"
        if base in names:
            raise ModelError(f"{where}: a ring of {', '.join(names)}")
        if base not in files:
            raise ModelError(f"{where}: {unknown_name('model', base, files)}")
        names.insert(0, base)
    return tuple(names)


def read_coupled(files: Mapping[str, Path], name: str, modules: Collection[str]) -> CoupledFile:
    """See `Library.read_coupled`."""
    first, *others = lineage(files, name)
    base = read_toml(files[first], CoupledFile)
    for n in others:
        try:
            base = read_toml(files[n], CoupledFile).after(base)
        except ModelError as error:
            raise ModelError(f"{short_path(files[n])}: {error}") from error
    where = f"{short_path(files[name])}: modules"
    if not base.modules:
        raise ModelError(f"{where}: name at least one, or a model that this one extends")
    for i, n in enumerate(base.modules):
        if n not in modules:
            raise ModelError(f"{where}: {unknown_name('module', n, modules)}")
        if n in base.modules[:i]:
            raise ModelError(f"{where}: {n} is there twice")
    return base


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
