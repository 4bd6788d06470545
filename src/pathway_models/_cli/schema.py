"""The command `schema`: the format of the files that users write, from the classes that read them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from .._files.authored import json_schema
from ..evidence.claims import JudgingRow, OptimistRow
from ..evidence.observations import ObservationRow
from ..evidence.tables import TABLE_COLUMNS
from ..models.contexts import ContextEntry
from ..models.coupled import CoupledFile
from ..modules.annotate import Annotation
from ..modules.module import ModuleFile, ParameterRow


def schemas() -> dict[str, dict[str, Any]]:
    """File -> JSON schema; a table is the list of its rows, with a key per column, in the order of the columns."""
    rows = {"parameters.tsv": ParameterRow, "annotations.tsv": Annotation, "observations.tsv": ObservationRow}
    rows |= {"judging.tsv": JudgingRow, "optimist.tsv": OptimistRow}
    texts = {f"{kind}.tsv": {key: {"type": "string"} for key in columns} for kind, columns in TABLE_COLUMNS.items()}
    return {
        "module.toml": json_schema(ModuleFile),
        "coupled.toml": json_schema(CoupledFile),
        "contexts.toml": json_schema(Mapping[str, ContextEntry]),
        **{file: {"type": "array", "items": json_schema(row)} for file, row in rows.items()},
        **{file: {"type": "array", "items": _all_needed(columns)} for file, columns in texts.items()},
    }


def _all_needed(columns: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": columns, "required": [*columns], "additionalProperties": False}


def schema_command(parser: argparse.ArgumentParser) -> None:
    """The options of `schema`."""
    parser.add_argument("file", nargs="?", choices=tuple(schemas()), help="the kind of file (default: all)")
    parser.set_defaults(run=_schema)


def _schema(arguments: argparse.Namespace) -> int:
    found = schemas()
    sys.stdout.write(json.dumps(found if arguments.file is None else found[arguments.file], indent=1) + "\n")
    return 0
