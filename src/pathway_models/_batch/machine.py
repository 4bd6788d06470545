"""A model as machine code: built once, kept in a cache folder, loaded into the process."""

from __future__ import annotations

import ctypes
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import llvmlite.ir as ir

from .._files.cache import host, keep, name_of, stored
from .formulas import factorise, formulas, substitute
from .read import TIME, Reading, Unsupported, read
from .step import Kernels, advance, look, over_groups, workspace
from .symbolic import Graph, eliminate

LONGEST_CODE = 40_000  # operations of a step; the model `epilepsy` has 4,000 and compiles in 10 s
SIGNATURES = {
    "prepare": "ipp",  # groups, parameters, constants
    "advance": "iddppppdippdppp",
    "look": "iipppippp",
    "rates": "ppp",
    "system": "ppp",
    "lu": "pppp",
    "solve": "pp",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the code of a model expects: names and lengths of its arrays."""

    lanes: int
    parameters: Mapping[str, float]
    states: tuple[str, ...]
    layout: tuple[str, ...]
    volumes: Mapping[str, str]
    variables: tuple[str, ...]
    constants: int
    jacobian: tuple[tuple[int, int], ...]  # entries that depend on states, in the order of `system`
    fixed: tuple[tuple[int, int, int], ...]  # row, column, constant of those that do not
    factors: tuple[tuple[int, int], ...]
    work: int  # vectors
    operations: Mapping[str, int]  # floating point operations of one call per row, divisions counted as one


def build(reading: Reading, lanes: int) -> tuple[Any, Plan]:
    """The LLVM module of a model and the plan of its arrays."""
    g, size = reading.graph, len(reading.states)
    if not set(reading.states) - {TIME}:
        raise Unsupported("the model has no states")
    _refuse_large(2 * len(g.needed(reading.rates, stop_below=2)))  # before the derivatives, which take time themselves
    entries = g.jacobian(reading.rates)
    moving = [k for k in sorted(entries) if g.rank[entries[k]] == 2]
    plan = eliminate(size, entries)
    system = [*(entries[k] for k in moving), *reading.rates]
    _refuse_large(len(g.needed(system, stop_below=2)) + plan.multiplications)
    variables = list(reading.variables.values())
    own = _constants(g, [*system, *entries.values()])
    slots = {node: i for i, node in enumerate([*own, *sorted(set(_constants(g, variables)) - set(own))])}
    module = ir.Module("batch")

    def function(name: str, nodes: list[int], constants: Mapping[int, int] | None) -> Any:
        return formulas(module, name, lanes, g, nodes, constants)

    prepare = function("prepare_group", list(slots), None)
    kernels = Kernels(
        rates=function("rates", list(reading.rates), slots),
        system=function("system", system, slots),
        lu=factorise(module, lanes, g, entries, slots, {k: i for i, k in enumerate(moving)}, plan),
        solve=substitute(module, lanes, plan),
        size=size,
        constants=len(own),
        all_constants=len(slots),
        jacobian=len(moving),
        factors=len(plan.entries),
    )
    observe = function("observe", variables, slots)
    parameters = len(reading.parameters)
    over_groups(module, lanes, "prepare", prepare, parameters, len(slots))
    advance(module, lanes, kernels)
    look(module, lanes, observe, parameters, len(slots), size)
    counted = {"rates": g.needed(reading.rates, stop_below=2), "system": g.needed(system, stop_below=2)}
    operations = {name: sum(_OPERATIONS.get(g.op[v], 1) for v in nodes) for name, nodes in counted.items()}
    operations["lu"] = 2 * plan.multiplications + size
    operations["solve"] = 2 * (len(plan.entries) - size) + size
    return module, Plan(
        lanes=lanes,
        parameters=reading.parameters,
        states=reading.states,
        layout=reading.layout,
        volumes=reading.volumes,
        variables=tuple(reading.variables),
        constants=len(slots),
        jacobian=tuple(moving),
        fixed=tuple((*k, slots[e]) for k, e in entries.items() if e in slots),
        factors=plan.entries,
        work=workspace(kernels)["end"] + len(variables) + 1,
        operations=operations,
    )


def _refuse_large(operations: int) -> None:
    """Straight-line code of this length would compile for minutes."""
    if operations > LONGEST_CODE:
        raise Unsupported(f"a step has {operations} operations, more than {LONGEST_CODE}: too long to be compiled")


def _constants(g: Graph, roots: list[int]) -> list[int]:
    """Nodes that depend on parameters alone and are used at every step."""
    inner = g.needed(roots, stop_below=2)
    return sorted({a for v in inner for a in g.args[v] if g.rank[a] == 1} | {r for r in roots if g.rank[r] == 1})


_OPERATIONS = {"state": 0, "const": 0, "pow": 60, "exp": 32, "log": 26}


def translate(module: Any) -> bytes:
    """Object code for this CPU."""
    name, features, _ = host()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=name, features=features, opt=2, reloc="pic", codemodel="default")
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = False  # it is all vectors already
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(parsed, passes)
    return bytes(machine.emit_object(parsed))


class Machine:
    """The functions of a model in this process."""

    def __init__(self, plan: Plan, code: bytes) -> None:
        self.plan = plan
        self._engine = llvm.create_lljit_compiler()
        library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name in SIGNATURES:
            library = library.export_symbol(name)
        self._library = library.link(self._engine, "batch")
        kinds = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "d": ctypes.c_double}
        for name, arguments in SIGNATURES.items():
            prototype = ctypes.CFUNCTYPE(None, *(kinds[a] for a in arguments))
            setattr(self, name, prototype(self._library[name]))

    prepare: Any
    advance: Any
    look: Any
    rates: Any
    system: Any
    lu: Any
    solve: Any


def machine(sbml: str) -> Machine:
    """The machine code of a model: from the cache, or compiled and put there. Raises `Unsupported`."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name = _name(sbml)
    body = stored(name)
    if body is None:
        module, plan = build(read(sbml), host()[2])
        body = json.dumps(asdict(plan)).encode() + b"\n" + translate(module)
        keep(name, body)
    text, _, code = body.partition(b"\n")
    return Machine(Plan(**{k: _tuples(v) for k, v in json.loads(text).items()}), code)


def _name(sbml: str) -> str:
    """The cached file of a model: its text, the versions of what made the code, and the code generator itself."""
    own = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return name_of("batch", sbml, llvmlite.__version__, hashlib.sha256(own).hexdigest())


def _tuples(value: Any) -> Any:
    """JSON knows lists only."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
