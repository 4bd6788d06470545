"""Machine code of the batch engine: functions against numpy, sparse factors, order of the method, one lane."""

from __future__ import annotations

import llvmlite.binding as llvm
import llvmlite.ir as ir
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from helpers import sbml
from pathway_models._batch import BatchModel, compile_model
from pathway_models._batch.codegen import Code
from pathway_models._batch.machine import host
from pathway_models._batch.rows import _at
from pathway_models._formulas.start import start_values

ROBERTSON = (
    "compartment c = 1; species A in c, B in c, C in c; A = 1; B = 0; C = 0; k1 = 0.04; k2 = 3e7; k3 = 1e4;"
    "A -> B; k1 * A; 2 B -> B + C; k2 * B^2; B + C -> A + C; k3 * B * C;"
)


def compiled(body: str) -> tuple[BatchModel, np.ndarray, np.ndarray]:
    """A model, its constants and its states at the start, for one group of equal rows."""
    model = compile_model(sbml(body))
    parameters = model.grouped(np.array([list(model.plan.parameters.values())]))
    start = start_values(sbml(body)).values({})
    states = model.grouped(np.array([[start[k] for k in model.states]]))
    return model, model.constants(parameters), states


def in_vectors(name: str, arguments: list[np.ndarray]) -> np.ndarray:
    """A function of the code generator on numbers."""
    import ctypes

    lanes = host()[2]
    module = ir.Module("test")
    code = Code(module, "test", "ipp" if len(arguments) == 1 else "ippp", lanes)
    with code.loop(code.arguments[0]) as i:
        a = [code.load(p, i, code.vector) for p in code.arguments[1:-1]]
        extra = (a[1], code.log(code.native("fabs", a[0]))) if name == "power" else ()
        value = getattr(code, name)(a[0], *extra)
        code.store(value, code.arguments[-1], i)
    code.done()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(cpu=host()[0], features=host()[1], reloc="pic")
    engine = llvm.create_lljit_compiler()
    image = target.emit_object(llvm.parse_assembly(str(module)))
    library = llvm.JITLibraryBuilder().add_object_img(image).export_symbol("test").link(engine, "test")
    full = [np.resize(a, -(-len(a) // lanes) * lanes) for a in arguments]
    out = np.zeros_like(full[0])
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (len(full) + 1))
    prototype(library["test"])(len(out) // lanes, *(_at(a) for a in full), _at(out))
    return out[: len(arguments[0])]


def test_exp_and_log_agree_with_numpy() -> None:
    random = np.random.default_rng(1)
    x = np.concatenate([random.uniform(-708, 709, 5000), random.uniform(-1e-8, 1e-8, 100), [0.0, 1.0, -1.0]])
    assert np.max(np.abs(in_vectors("exp", [x]) / np.exp(x) - 1)) < 1e-14
    x = np.concatenate([10 ** random.uniform(-307, 308, 5000), 1 + random.uniform(-1e-8, 1e-8, 100), [5e-324, 0.5]])
    assert np.max(np.abs(in_vectors("log", [x]) - np.log(x)) / np.maximum(np.abs(np.log(x)), 1e-300)) < 1e-14


def test_exp_log_and_power_at_the_edges() -> None:
    edges = np.array([800.0, -800.0, np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(in_vectors("exp", [edges]), [np.inf, 0, np.inf, 0, np.nan])
    edges = np.array([0.0, -1.0, np.inf, np.nan])
    np.testing.assert_array_equal(in_vectors("log", [edges]), [-np.inf, np.nan, np.inf, np.nan])
    base = np.array([0.0, 0.0, 0.0, -2.0, -2.0, -2.0, 3.0, 1e-3, np.nan])
    exponent = np.array([2.0, 0.0, -1.0, 3.0, 2.0, 0.5, 0.0, 2.5, 1.0])
    wanted = np.array([0.0, 1.0, np.inf, -8.0, 4.0, np.nan, 1.0, 1e-3**2.5, np.nan])
    np.testing.assert_allclose(in_vectors("power", [base, exponent]), wanted, rtol=1e-14)


def test_rates_jacobian_and_factors_agree_with_numpy() -> None:
    model, constants, states = compiled(
        "compartment c = 1; species A in c, B in c, D in c; A = 1; B = 0.3; D = 2; k = 2; n = 1.7;"
        "A -> B; k * A * sqrt(D); B -> D; k * B^n / (1 + B^n); D -> A; D * exp(-A) + sin(B) * abs(D);"
    )
    size, width, plan = 3, len(model.plan.jacobian), model.plan

    def rates(y: np.ndarray) -> np.ndarray:
        out = np.zeros((1, size, model.lanes))
        model.machine.rates(_at(model.grouped(y[None])), _at(constants), _at(out))
        return out[0, :, 0]

    y = states[0, :, 0]
    v = [2 * y[0] * np.sqrt(y[2]), 2 * y[1] ** 1.7 / (1 + y[1] ** 1.7), y[2] * np.exp(-y[0]) + np.sin(y[1]) * y[2]]
    np.testing.assert_allclose(rates(y), [v[2] - v[0], v[0] - v[1], v[1] - v[2]], rtol=1e-13)
    out = np.zeros((width + size, model.lanes))
    model.machine.system(_at(states), _at(constants), _at(out))
    jacobian = np.zeros((size, size))
    for k, (i, j) in enumerate(plan.jacobian):
        jacobian[i, j] = out[k, 0]
    for i, j, k in plan.fixed:
        jacobian[i, j] = constants[0, k, 0]
    step = 1e-6
    slopes = [(rates(y + step * e) - rates(y - step * e)) / (2 * step) for e in np.eye(size)]
    np.testing.assert_allclose(jacobian, np.column_stack(slopes), rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(out[width:, 0], rates(y))

    shift, factors = np.full(model.lanes, 3.0), np.zeros((len(plan.factors), model.lanes))
    right = np.random.default_rng(2).normal(size=(size, model.lanes))
    solution = right.copy()
    model.machine.lu(_at(out), _at(constants), _at(shift), _at(factors))
    model.machine.solve(_at(factors), _at(solution))
    np.testing.assert_allclose(solution, np.linalg.solve(3 * np.eye(size) - jacobian, right), rtol=1e-12)


def advance(
    model: BatchModel, constants: np.ndarray, states: np.ndarray, stop: float, relative: float, step: float = 0.0,
    times: tuple[float, ...] = (), start: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, float]:  # fmt: skip
    """One row from `start` to `stop`: states at the end, at `times`, and the number of steps."""
    size, count = len(model.states), 1
    end, out = states.copy(), np.zeros((1, len(times), size, model.lanes))
    ahead, absolute, work = np.full(count, step), np.full(size, relative * 1e-4), model.scratch()
    status, taken = np.zeros(count), np.zeros(count)
    moments = np.array(times)
    model.machine.advance(
        count, start, stop, _at(constants), _at(end), _at(ahead), _at(absolute), relative, len(times), _at(moments),
        _at(out), 20_000, _at(status), _at(taken), _at(work),
    )  # fmt: skip
    assert status[0] == 0
    return end[0, :, 0], out[0, :, :, 0], taken[0]


def test_order_by_halving_the_step() -> None:
    model, constants, states = compiled("x = 1; y = 0.2; x' = -y * x; y' = x - 0.5 * y; z = 1; z' = 100 * (x^2 - z);")
    errors = []
    exact = solve_ivp(
        lambda _, s: [-s[1] * s[0], s[0] - 0.5 * s[1], 100 * (s[0] ** 2 - s[2])],
        (0, 4), [1, 0.2, 1], method="Radau", rtol=1e-13, atol=1e-14,
    ).y[:, -1]  # fmt: skip
    for steps in (16, 32, 64):
        now = states.copy()
        for i in range(steps):
            end, _, taken = advance(model, constants, now, 4 * (i + 1) / steps, 1e3, 1e9, start=4 * i / steps)
            now[0, :, 0] = end
            assert taken == 1
        errors.append(np.abs(end - exact)[:2].max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[-1] > 4.7, orders  # the stiff component lowers it at long steps


def test_one_lane_against_radau() -> None:
    model, constants, states = compiled(ROBERTSON)
    times = (0.4, 4.0, 40.0, 400.0)

    def rates(_: float, s: np.ndarray) -> list[float]:
        a, b, c = 0.04 * s[0], 3e7 * s[1] ** 2, 1e4 * s[1] * s[2]
        return [c - a, a - b - c, b]

    exact = solve_ivp(rates, (0, 4e4), [1, 0, 0], method="Radau", rtol=1e-12, atol=1e-16, t_eval=(*times, 4e4)).y.T
    scale = np.array([1.0, 4e-5, 1.0])
    for relative in (1e-5, 1e-7):
        end, inside, taken = advance(model, constants, states, 4e4, relative, times=times)
        found = np.vstack([inside, end])
        assert np.max(np.abs(found - exact) / scale) < 10 * relative
        assert taken < 400
        assert abs(end.sum() - 1) < 1e-11  # mass is conserved


def test_lost_steps_and_too_many_are_told_apart() -> None:
    model, constants, states = compiled("x = 1; x' = x^2; y = 1; y' = -y;")
    for limit, verdict in ((20_000, 1), (3, 2)):
        end, status = states.copy(), np.zeros(1)
        zeros, absolute, work = np.zeros(1), np.full(2, 1e-9), model.scratch()
        model.machine.advance(
            1, 0.0, 2.0, _at(constants), _at(end), _at(zeros), _at(absolute), 1e-6, 0, _at(zeros), _at(zeros), limit,
            _at(status), _at(np.zeros(1)), _at(work),
        )  # fmt: skip
        assert status[0] == verdict  # x is infinite at time 1


@pytest.mark.parametrize("rest", ["", "y = 1; y' = -y;", "y = 1; y' = -y * x^0.5;"])
def test_a_start_that_no_step_leaves_is_given_up_at_once(rest: str) -> None:
    model, constants, states = compiled(f"x = 0; x' = 1 - x^0.5; {rest}")  # the derivative is infinite at 0
    status, taken, zeros, work = np.zeros(1), np.zeros(1), np.zeros(1), model.scratch()
    model.machine.advance(
        1, 0.0, 2.0, _at(constants), _at(states), _at(zeros), _at(np.full(2, 1e-9)), 1e-6, 0, _at(zeros), _at(zeros),
        20_000, _at(status), _at(taken), _at(work),
    )  # fmt: skip
    assert status[0] == 1
    assert taken[0] < 1000
