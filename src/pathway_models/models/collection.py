"""Find and read the models: ours and a user's own by name, anybody's SBML by path."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from .._files.authored import short_path
from .._files.data import sbml_root
from .._files.whole import read_text
from .._sbml.files import model_text
from .._types import Frozen
from ..errors import InvalidValueError, ModelError, PathwayModelsError, require_kind, unknown_name
from ..modules.coupling import SharedInput, Wire
from ..modules.flat import Context
from ..modules.generate import coupled_sbml, module_sbml
from ..modules.module import Module, Parameter, Port, read_module, read_module_file
from .contexts import contexts_for, read_contexts
from .coupled import CoupledFile, check_coupled, check_target, gain_parameters, lineage, open_inputs, read_coupled
from .foreign import from_sbml
from .model import Model
from .petab_read import load_problem
from .reduced import shrunk

DEFAULT_CONTEXT = "epilepsy"
VARIABLE = "PATHWAY_MODELS_LIBRARY"  # of the environment: folders that `load` reads beside ours
PARTS = ("modules", "coupled", "evidence", "contexts.toml")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")  # of a module: two underscores divide it from an id

Stamp: TypeAlias = "tuple[tuple[str, int, int], ...]"


@dataclass(frozen=True, kw_only=True)
class Library:
    """Our models, and beside them those in folders of a user; get one from `pathway_models.library`.

    Attributes:
        folders: of the user.

    Example:
        >>> import pathway_models as pm
        >>> "epilepsy_core" in pm.library().available()
        True
    """

    folders: tuple[Path, ...] = ()

    # ---- what there is ---------------------------------------------------------------------------------------

    @property
    def modules(self) -> Mapping[str, Path]:
        """Name -> folder of every module; `ModelError` for a name that is there twice."""
        return _found(self, self._stamp())[0]

    @property
    def coupled(self) -> Mapping[str, Path]:
        """Name -> TOML of every coupled model; `ModelError` for a name that is there twice."""
        return _found(self, self._stamp())[1]

    @property
    def evidence(self) -> tuple[Path, ...]:
        """The folders of evidence tables."""
        return tuple(path for root in self.roots if (path := root / "evidence").is_dir())

    def available(self) -> Mapping[str, str]:
        """Name -> title of every model that `load` knows."""
        titles = {n: self.read_coupled(n).title for n in self.coupled}
        return titles | {n: read_module_file(folder).title for n, folder in self.modules.items()}

    def observations(self, name: str) -> tuple[Path, ...]:
        """The files with observations of a model, those of what it extends first; any folder may add to a model.

        The one beside the model, whether it is there or not, if there is none.

        Args:
            name: of a module or a coupled model.
        """
        if name in self.coupled:
            parts = [Path("coupled", f"{n}-observations.tsv") for n in self.lineage(name)]
        else:
            parts = [Path("modules", name, "observations.tsv")]
        paths = [root / part for part in parts for root in self.roots]
        return tuple(p for p in paths if p.exists()) or (self.home(name) / parts[-1],)

    def home(self, name: str) -> Path:
        """The folder, ours or a user's, that holds a model.

        Args:
            name: of a module or a coupled model.
        """
        path = self.modules[name] if name in self.modules else self.coupled[name]
        return path.parents[1]

    # ---- models ----------------------------------------------------------------------------------------------

    def load(self, name: str | Path, *, context: str = DEFAULT_CONTEXT, model: str | None = None) -> Model:
        """As `pathway_models.load`, with the models of this library.

        Args:
            name: as there.
            context: as there.
            model: as there.

        Raises:
            InvalidValueError: a `model` of what is no archive; the others are those of `pathway_models.load`.
        """
        require_kind("name", name, (str, os.PathLike), 'load("epilepsy") or load("file.xml")')
        known = {*self.coupled, *self.modules}
        if isinstance(name, str) and name in known:
            if model is not None:
                raise InvalidValueError(f"{name} is one model; model={model!r} is for archives (.omex) with several")
            return _model(self, self._stamp(), name).with_context(context)
        path = Path(name).expanduser()
        if path.suffix.lower() in (".yaml", ".yml") or path.is_dir():
            if model is not None:
                raise InvalidValueError(f"{path.name} names its model itself; model={model!r} is for archives (.omex)")
            return replace(load_problem(path), source=(str(path),))
        if path.suffix or path.exists():
            source = (str(path),) if model is None else (str(path), model)
            return replace(from_sbml(model_text(path, member=model), name=path.stem), source=source)
        raise unknown_name("model", str(name), [*known, "a path to an SBML file"])

    def module(self, name: str) -> Module:
        """A module, read from its folder; the SBML of a user's module is made from its Antimony.

        Args:
            name: a key of `modules`.

        Raises:
            UnknownNameError: another name.
        """
        if name not in self.modules:
            raise unknown_name("module", name, self.modules)
        return _module(self, self._stamp(), name)

    def read_coupled(self, name: str) -> CoupledFile:
        """The TOML of a coupled model; what it `extends` or reduces comes first (modules, wires, inputs, aliases).

        Args:
            name: a key of `coupled`.

        Raises:
            ModelError: no modules, one that is not there or is there twice, a reduction of a reduction.
        """
        return read_coupled(self.coupled, name, self.modules)

    def lineage(self, name: str) -> tuple[str, ...]:
        """A coupled model after those that it extends or reduces, the oldest first.

        Args:
            name: a key of `coupled`.

        Raises:
            ModelError: a ring, or a model to extend that is not there.
        """
        return lineage(self.coupled, name)

    def parts(self, name: str) -> tuple[list[Module], list[Wire], list[SharedInput]]:
        """Modules, wires and shared inputs that the TOML of a coupled model names.

        Args:
            name: a key of `coupled`.
        """
        made = self.read_coupled(name)
        return [self.module(n) for n in made.modules], made.wires, made.shared

    def text(self, name: str, *, hierarchical: bool = False) -> str:
        """SBML of a coupled model: ours as published, a user's made from its TOML.

        Args:
            name: a key of `coupled`.
            hierarchical: whether it is of SBML comp, with a submodel per module, and not flat.

        Raises:
            ModelError: a reduced model in parts.
        """
        if hierarchical and self.read_coupled(name).reduction:
            raise ModelError(f"{name} is a reduced model: it has no parts, only the model that it reduces has")
        if self.home(name) == sbml_root():
            return read_text(self.coupled[name].with_name(f"{name}-comp.xml" if hierarchical else f"{name}.xml"))
        return _texts(self, self._stamp(), name)[hierarchical]

    def whole_text(self, name: str) -> str:
        """SBML of what a reduced model was made of, in which its rest is searched; nothing for another model.

        Args:
            name: a key of `coupled`.
        """
        reduction = self.read_coupled(name).reduction
        if reduction is None:
            return ""
        ours = self.home(name) == sbml_root()
        return self.text(reduction.of) if ours else _texts(self, self._stamp(), name)[2]

    def every_input(self) -> frozenset[str]:
        """Inputs of all models."""
        return _every_input(self, self._stamp())

    # ---- files -----------------------------------------------------------------------------------------------

    @property
    def roots(self) -> tuple[Path, ...]:
        """Our folder, then the user's."""
        return (sbml_root(), *self.folders)

    def _stamp(self) -> Stamp:
        """What the user's files are; whatever was read holds until one of them changes. Ours do not."""
        patterns = ("contexts.toml", "modules/*/*", "coupled/*", "evidence/*")
        files = (p for folder in self.folders for pattern in patterns for p in sorted(folder.glob(pattern)))
        return tuple((str(p), (status := p.stat()).st_mtime_ns, status.st_size) for p in files)


BAD_NAME = "a module cannot be named {!r}; allowed are letters, digits and single underscores, a letter first"
OURS = Library()


def library(*folders: str | Path) -> Library:
    """Our models and, beside them, the modules, coupled models, contexts and observations in folders of your own.

    Args:
        folders: each with `modules/NAME/`, `coupled/NAME.toml`, `contexts.toml` or `evidence/`, in the format of ours
            (docs/own-module.md); without any, those in the environment variable PATHWAY_MODELS_LIBRARY.

    Returns:
        A `Library`: `load` and `available` as those of the package.

    Raises:
        ModelError: a folder that is not there or holds none of these.

    Example:
        >>> import pathway_models as pm
        >>> pm.library().load("acupuncture").name
        'acupuncture'
    """
    named = folders or tuple(filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)))
    paths = []
    for folder in named:
        require_kind("folder", folder, (str, os.PathLike), 'library("my_models")')
        path = Path(folder).expanduser().resolve()
        origin = "" if folders else f" ({VARIABLE} of the environment names it)"
        if not path.is_dir():
            raise ModelError(f"there is no folder {path}{origin}")
        if not any((path / part).exists() for part in PARTS):
            raise ModelError(f"{path} is no library: it holds none of {', '.join(PARTS)}{origin}")
        paths.append(path)
    return Library(folders=tuple(dict.fromkeys(paths)))


def available() -> Mapping[str, str]:
    """The models that `load` knows.

    Returns:
        Name -> title.

    Example:
        >>> "epilepsy" in available()
        True
    """
    return library().available()


def load(name: str | Path, *, context: str = DEFAULT_CONTEXT, model: str | None = None) -> Model:
    """A model of the library by name, or anybody's file by path: SBML, comp, Antimony, a COMBINE archive, PEtab.

    Warns with `ModelWarning` of values that a file lacks and are taken as libroadrunner does (species 0, compartments
    1), and of what is not valid in it beside the mathematics.

    Args:
        name: a name of `available()`, or a path. A PEtab problem (.yaml, or the folder that holds it alone) comes with
            its nominal parameters, `measurements` and `experiments`.
        context: 'epilepsy' (untreated) or 'healthy'; a file from elsewhere has none and starts from its own values.
        model: which of several models of an archive (.omex), by its path there.

    Returns:
        The `Model`.

    Raises:
        UnknownNameError: an unknown name or context.
        ModelError: a file that is missing, broken, of another format or lacks the value of a parameter.

    Example:
        >>> load("ketone_katp", context="healthy").inputs.loc["carb_restriction", "reference"]
        np.float64(0.0)
    """
    return library().load(name, context=context, model=model)


# ---- reading: the stamp is a part of every key, so that an edited file is read again -------------------------------


@lru_cache(maxsize=8)
def _found(library: Library, stamp: Stamp) -> tuple[Mapping[str, Path], Mapping[str, Path]]:
    """Folders of modules and TOML files of coupled models, by name."""
    found: dict[str, Path] = {}
    for root in library.roots:
        for path in root.glob("modules/*/model.ant"):
            if not path.with_name("module.toml").exists():
                raise ModelError(f"{short_path(path.parent)}: a module needs a module.toml beside its model.ant")
        for path in (*sorted(root.glob("modules/*/module.toml")), *sorted(root.glob("coupled/*.toml"))):
            name = path.parent.name if path.name == "module.toml" else path.stem
            if name in found:
                files = f"{short_path(found[name])} and {short_path(path)}"
                raise ModelError(f"two models are named {name!r}: {files}; rename one")
            if path.name == "module.toml" and not NAME.fullmatch(name):
                raise ModelError(f"{short_path(path.parent)}: {BAD_NAME.format(name)}")
            found[name] = path
    modules = {n: p.parent for n, p in sorted(found.items()) if p.name == "module.toml"}
    return modules, {n: p for n, p in sorted(found.items()) if n not in modules}


@lru_cache(maxsize=256)
def _module(library: Library, stamp: Stamp, name: str) -> Module:
    folder = library.modules[name]
    if library.home(name) == sbml_root():
        return read_module(folder) if library == OURS else OURS.module(name)
    return read_module(folder, module_sbml(folder, library.evidence))


@lru_cache(maxsize=32)
def _texts(library: Library, stamp: Stamp, name: str) -> tuple[str, str, str]:
    path = library.coupled[name]
    made = library.read_coupled(name)
    for wire in made.wires:
        check_target(path, wire)
    modules, wires, shared = library.parts(name)
    try:
        flat, parts = coupled_sbml(name, made.title, modules, wires, shared)
        return made.reduced(flat), parts, flat
    except PathwayModelsError as error:
        raise ModelError(f"{short_path(path)}: {error}") from error


@lru_cache(maxsize=64)
def _model(library: Library, stamp: Stamp, name: str) -> Model:
    return _coupled_model(library, name) if name in library.coupled else _module_model(library, name)


def _module_model(library: Library, name: str) -> Model:
    m = library.module(name)
    names = {f"{name}.{p.id}": p.id for p in _ports(m)}
    return Model(
        name=name,
        title=m.title,
        sbml=m.sbml,
        constants=m.parameters,
        input_ports=m.inputs,
        output_ports=m.outputs,
        hypothesis_set=m.hypotheses,
        contexts=_contexts(library, {p.id for p in m.inputs}, m.epilepsy, names),
        folders=library.folders,
    )


def _coupled_model(library: Library, name: str) -> Model:
    made = library.read_coupled(name)
    parts, wires, shared = library.parts(name)
    text = library.text(name)
    check_coupled(library.coupled[name], made, wires, text)
    modules = [m.prefixed() for m in parts]
    names = {p.id.replace("__", ".", 1): p.id for m in modules for p in _ports(m)}
    overlay = {k: v for m in modules for k, v in m.epilepsy.items()}
    model = Model(
        name=name,
        title=made.title,
        sbml=text,
        constants=tuple(p for m in modules for p in m.parameters) + gain_parameters(wires),
        input_ports=open_inputs(modules, wires, shared),
        output_ports=tuple(p for m in modules for p in m.outputs),
        hypothesis_set=tuple(h for m in modules for h in m.hypotheses),
        contexts=_contexts(library, {s.id for s in shared}, overlay, names),
        aliases=Frozen({k: v.replace(".", "__") for k, v in made.aliases.items()}),
        folders=library.folders,
    )
    return shrunk(model, library.whole_text(name), *made.reduction.states) if made.reduction else model


def _contexts(
    library: Library, inputs: set[str], epilepsy: Mapping[str, float], names: Mapping[str, str]
) -> Mapping[str, Context]:
    paths = [path for root in library.roots if (path := root / "contexts.toml").exists()]
    return contexts_for(read_contexts(paths), inputs, epilepsy, names, library.modules, library.every_input)


def _ports(m: Module) -> tuple[Port | Parameter, ...]:
    return m.inputs + m.outputs + m.parameters


@lru_cache(maxsize=8)
def _every_input(library: Library, stamp: Stamp) -> frozenset[str]:
    modules = [read_module_file(folder).inputs for folder in library.modules.values()]
    coupled = [library.read_coupled(n).inputs for n in library.coupled]
    return frozenset(k for found in (*modules, *coupled) for k in found)
