"""The command `pathway-models`: list, simulate, compare, sobol, evidence, export, check, new, schema."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from .._sbml import files
from .._sbml.annotation import coverage_text
from ..ensembles.execution import Execution
from ..ensembles.study import Study
from ..errors import InvalidValueError, PathwayModelsError
from ..evidence.reports import report
from ..exchange.writing import FORMATS, check, export
from ..experiments import arms as _combination
from ..models.collection import DEFAULT_CONTEXT
from ..models.model import Model
from ..sensitivity.analysis import Sampling, announce
from ..sensitivity.factors import GROUPINGS, OWN_LAWS, Factors
from ..sensitivity.figures import KINDS
from ..sensitivity.sobol_analysis import sobol, sobol_cost
from ..treatments.text import treatment_from_text
from . import text
from .new import new_command
from .options import (
    TREAT_HELP,
    hypothesis_option,
    length_options,
    library_of,
    library_option,
    load_model,
    model_options,
    table_options,
    tolerance_options,
    tolerances,
    treatments_of,
)
from .output import check_files, flush, plot, print_warning, save, say, show, without_display, write_failure
from .schema import schema_command

PARAMETER_HELP = (
    "vary only this, repeatable; with a range of your own it is log-uniform where LOW is above 0, else uniform, unless "
    f"LAW says {', '.join(OWN_LAWS)}"
)
TABLE_ROWS = 15  # per outcome, in the terminal


class _Parser(argparse.ArgumentParser):
    """One line and status 2 on bad input."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status (2 with one line for bad input)."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (open to the end)
    if sys.stdout is None:
        say("cannot write the output: standard output is closed")
        return 1
    with warnings.catch_warnings():
        warnings.showwarning = print_warning
        try:
            return flush(_run(argv))
        except SystemExit as stop:  # of argparse: help, or bad input
            return flush(int(stop.code or 0))
        except OSError as error:  # of files that the command writes there is a ModelError: this is the output
            return write_failure(error)


def _run(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except PathwayModelsError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        folder = getattr(arguments, "checkpoint", None)
        safe = "" if folder is None else f"; the same command goes on from {folder}"
        sys.stderr.write("\n")
        say(f"interrupted{safe}")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="pathway-models", description=__doc__)
    parser.add_argument("--version", action="version", version=f"pathway-models {version('pathway-models')}")
    commands = parser.add_subparsers(dest="command", parser_class=_Parser)
    _list_command(commands.add_parser("list", help="the models, or what is in one of them"))
    _simulate_command(commands.add_parser("simulate", help="run a model under treatments"))
    _compare_command(
        commands.add_parser("compare", help="no treatment, two treatments, both: outcomes and interaction")
    )
    _sobol_command(commands.add_parser("sobol", help="Sobol indices with intervals"))
    _evidence_command(commands.add_parser("evidence", help="a model of the library against published experiments"))
    _export_command(commands.add_parser("export", help="write a model, or a scenario with treatments, for other tools"))
    _check_command(commands.add_parser("check", help="what libSBML says of a file, units and annotation included"))
    for command in commands.choices.values():
        library_option(command)
    new_command(commands.add_parser("new", help="a module of your own to start from"))
    schema_command(commands.add_parser("schema", help="the format of modules, coupled models and tables (JSON schema)"))
    parser.set_defaults(run=lambda _: parser.error(f"give a command: {', '.join(commands.choices)}; --help says more"))
    return parser


# ---- list --------------------------------------------------------------------------------------------------


def _list_command(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="show this model's parts instead of the list of models")
    parser.add_argument(
        "--what",
        choices=("inputs", "outputs", "parameters", "hypotheses"),
        default="inputs",
        help="default: inputs",
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> int:
    import pandas as pd

    if arguments.model is None:
        frame = pd.DataFrame(list(library_of(arguments).available().items()), columns=["model", "title"])
        show(frame, arguments, index=False)
    else:
        frame = getattr(library_of(arguments).load(arguments.model), arguments.what)
        show(frame, arguments, index=True)
    return 0


# ---- simulate ----------------------------------------------------------------------------------------------


def _simulate_command(parser: argparse.ArgumentParser) -> None:
    model_options(parser)
    parser.add_argument("--treat", action="append", default=[], metavar="TREATMENT", help=TREAT_HELP)
    length_options(parser)
    parser.add_argument("--every", type=float, help="output step in model time (default 6 h)")
    tolerance_options(parser)
    parser.add_argument("--out", type=Path, help="write the time courses: .csv or .nc")
    parser.add_argument("--plot", type=Path, help="write a figure (.png, .pdf, .svg)")
    parser.add_argument("--show", action="append", metavar="NAME", help="variable to plot and print, repeatable")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.set_defaults(run=_simulate)


def _simulate(arguments: argparse.Namespace) -> int:
    check_files(arguments.out, endings=(".csv", ".nc"), figure=arguments.plot)
    model = load_model(arguments)
    treatments = treatments_of(arguments)
    length = model.duration(arguments.weeks, arguments.duration)
    announce(model, "compiling and running it")
    run = model.simulate(treatments, duration=length, every=arguments.every, **tolerances(arguments))
    names = [run.pm.resolve(n) for n in arguments.show or _default_variables(model)]
    if arguments.out is not None:
        frame = run.to_dataframe()
        netcdf = arguments.out.suffix.lower() == ".nc"
        save(run.to_netcdf if netcdf else frame.to_csv, arguments.out)
    if arguments.plot is not None:
        without_display()
        plot(run.pm.plot(*names), arguments.plot)
    picked = run[names].to_dataframe().iloc[sorted({0, len(run.time) // 4, len(run.time) // 2, len(run.time) - 1})].T
    picked.columns = [f"t={t:g}" for t in picked.columns]
    picked.insert(0, "unit", [str(run[n].attrs.get("units", "")) for n in names])
    picked.index.name = "variable"
    show(picked, argparse.Namespace(json=arguments.json), index=True)
    return 0


def _default_variables(model: Model) -> Sequence[str]:
    if model.aliases:
        return list(model.aliases.values())
    return [p.id for p in model.output_ports][:9] or list(model.states)[:9]


# ---- compare -----------------------------------------------------------------------------------------------


def _compare_command(parser: argparse.ArgumentParser) -> None:
    model_options(parser)
    parser.add_argument("--treat", action="append", default=[], metavar="TREATMENT", help=TREAT_HELP + "; give two")
    length_options(parser)
    parser.add_argument(
        "--outcome", action="append", metavar="NAME", help="variable, repeatable (default seizure_rate)"
    )
    tolerance_options(parser)
    table_options(parser)
    parser.add_argument("--plot", type=Path, help="write the four arms as a figure")
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    if len(arguments.treat) != 2:
        raise InvalidValueError(f"compare needs --treat twice; given {len(arguments.treat)} times")
    check_files(arguments.out, figure=arguments.plot)
    a, b = (treatment_from_text(t) for t in arguments.treat)
    model = load_model(arguments)
    announce(model, "compiling it and running four arms")
    arms = _combination.compare(
        model,
        a,
        b,
        weeks=arguments.weeks,
        duration=arguments.duration,
        outcomes=arguments.outcome or (),
        **tolerances(arguments),
    )
    show(arms.to_dataframe(), arguments, index=True)
    if not arguments.json:
        sys.stdout.write("".join(f"interaction_{k}: {v}\n" for k, v in _combination.SCALES.items()))
    if arguments.plot is not None:
        without_display()
        plot(arms.plot(), arguments.plot)
    return 0


# ---- sobol -------------------------------------------------------------------------------------------------


def _sobol_command(parser: argparse.ArgumentParser) -> None:
    model_options(parser)
    parser.add_argument("--treat", action="append", default=[], metavar="TREATMENT", help=TREAT_HELP)
    parser.add_argument("--outcome", action="append", required=True, metavar="OUTCOME", help=text.OUTCOME_HELP)
    parser.add_argument("--n", type=int, default=128, help="base rows, a power of two (default 128)")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--groups", choices=GROUPINGS, help="one index per module, kind of evidence or wire")
    parser.add_argument("--parameter", action="append", metavar="NAME[=LOW:HIGH[:LAW]]", help=PARAMETER_HELP)
    parser.add_argument("--workers", type=int, help="processes (default: all cores)")
    parser.add_argument("--engine", default="auto", help="auto (default), roadrunner or batch")
    parser.add_argument("--checkpoint", type=Path, help="folder for finished runs; the same command resumes")
    parser.add_argument("--target-width", type=float, help="double n until no interval of ST is wider")
    parser.add_argument("--budget", type=int, help="runs at most for --target-width")
    parser.add_argument("--second-order", action="store_true", help="also indices of pairs (about twice the runs)")
    parser.add_argument("--times", metavar="T,T,...", help="also indices over time, at these model times")
    parser.add_argument("--every", type=float, help="output step in model time (default 6 h)")
    parser.add_argument("--store", action="store_true", help="keep all time courses in the checkpoint folder")
    tolerance_options(parser)
    parser.add_argument("--cost", action="store_true", help="say what it will take, from a few runs, and stop")
    length_options(parser)
    table_options(parser)
    parser.add_argument("--plot", type=Path, help="write the indices as a figure")
    parser.add_argument("--kind", choices=tuple(KINDS), default="bars", help="of the figure (default bars)")
    parser.add_argument(
        "--report", type=Path, help="write an HTML page: verdicts, figures, design, cost, how to repeat"
    )
    parser.set_defaults(run=_sobol)


def _sobol(arguments: argparse.Namespace) -> int:
    check_files(arguments.out, page=arguments.report, figure=arguments.plot)
    for kind, option in (("bands", "times"), ("interactions", "second_order")):
        if arguments.kind == kind and not getattr(arguments, option):
            raise InvalidValueError(f"--kind {kind} needs --{option.replace('_', '-')}")
    model, treatments = load_model(arguments), treatments_of(arguments)
    study = Study(
        model,
        treatments,
        outcomes=[text.outcome_named(o) for o in arguments.outcome],
        times=text.times_named(arguments.times),
        **{k: getattr(arguments, k) for k in ("weeks", "duration", "every")},
    )
    factors = Factors(parameters=text.parameters_named(arguments.parameter), groups=arguments.groups)
    sampling = Sampling(**{k: getattr(arguments, k) for k in ("n", "seed", "second_order", "target_width", "budget")})
    on = {k: getattr(arguments, k) for k in ("workers", "engine", "checkpoint", "store")}
    execution = Execution(**on, **tolerances(arguments))
    if arguments.cost:
        announce(model, "compiling it and timing a few runs")
        sys.stdout.write(f"{sobol_cost(study, n=sampling, factors=factors, execution=execution)}\n")
        return 0
    result = sobol(study, n=sampling, factors=factors, execution=execution)
    show(result.to_dataframe(), arguments, index=False, most=TABLE_ROWS, by="outcome")
    sys.stderr.write(result.summary() + "\n")
    if arguments.plot is not None or arguments.report is not None:
        without_display()
    if arguments.plot is not None:
        plot(result.plot(kind=arguments.kind), arguments.plot)
    if arguments.report is not None:
        sys.stderr.write(f"wrote {result.report_html(arguments.report)}\n")
    return 0


# ---- evidence ----------------------------------------------------------------------------------------------


ASKED = ("at_least", "at_most", "verdict", "group")


def _evidence_command(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a model of the library (see: pathway-models list)")
    hypothesis_option(parser)
    table_options(parser)
    parser.add_argument("--plot", type=Path, help="write predicted against observed as a figure")
    parser.set_defaults(run=_run_evidence, context=DEFAULT_CONTEXT, set=[])


def _run_evidence(arguments: argparse.Namespace) -> int:
    check_files(arguments.out, figure=arguments.plot)
    model = load_model(arguments)
    announce(model, "compiling it and running every published experiment")
    found = report(model)
    frame = found.to_dataframe()
    if arguments.out is not None:
        save(lambda part: frame.to_csv(part, index=False), arguments.out)
    short = frame[["id", "use", "observable", "comparison", "prediction", "observed", "error", "z", *ASKED]]
    show(frame if arguments.json else short, argparse.Namespace(json=arguments.json), index=False)
    sys.stderr.write(found.summary() + "\n")
    if arguments.plot is not None:
        without_display()
        plot(found.plot(), arguments.plot)
    return 0


# ---- export and check --------------------------------------------------------------------------------------


def _export_command(parser: argparse.ArgumentParser) -> None:
    model_options(parser)
    parser.add_argument("--treat", action="append", default=[], metavar="TREATMENT", help=TREAT_HELP)
    length_options(parser)
    parser.add_argument("--format", default="sbml", help=f"{' or '.join(FORMATS)} (default sbml)")
    parser.add_argument("--out", type=Path, required=True, help="the file to write (petab: the folder)")
    parser.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> int:
    model = load_model(arguments)
    announce(model, "compiling it and writing where it rests")
    path = export(
        model,
        arguments.out,
        format=arguments.format,
        treatments=treatments_of(arguments),
        weeks=arguments.weeks,
        duration=arguments.duration,
    )
    sys.stdout.write(f"wrote {path}\n")
    return 0


def _check_command(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="SBML, Antimony (.ant), a COMBINE archive (.omex), or a folder of your own models")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    found = check(arguments.file, library=library_of(arguments))
    if arguments.json:
        sys.stdout.write(json.dumps([vars(f) for f in found], indent=1) + "\n")
    else:
        cures = [f" ({f.cure})" if f.cure else "" for f in found]
        places = [f"{arguments.file}:{f.line}" if f.line else arguments.file for f in found]
        lines = [f"{places[i]}: {f.severity}: {f.message}{cures[i]}\n" for i, f in enumerate(found)]
        if all(f.severity == "note" for f in found):
            sys.stdout.write(f"{arguments.file}: no errors, no warnings, units consistent\n")
        sys.stdout.write("".join(lines))
    if any(f.severity in ("error", "fatal") for f in found):
        return 1
    if not arguments.json and not Path(arguments.file).is_dir():
        text = files.unresolved_text(arguments.file)
        sys.stdout.write(f"{arguments.file}: {coverage_text(text)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
