"""A batch engine: many parameter rows of one model at once, one row per vector lane, as machine code.

`_read` turns flat SBML into expressions, `_symbolic` differentiates them and orders the elimination, `_codegen` and
`_step` write LLVM code for formulas and for the integrator (Rodas5P), `_machine` compiles and caches it, `_rows` runs
the rows of a job through it. libroadrunner stays the reference: nothing here is used unless it is asked for.

How `ensemble` uses it (engine "batch"): `run_rows(job, names, table)` returns for each row the `Course` that
`run_job(job, row)` would return, or the `SimulationError` that it would raise; such a row goes to libroadrunner.
`compile_model(job.sbml)` raises `Unsupported` with a
reason of one line for a model that must go to libroadrunner; for engine="auto" call it once in the parent, run a few
rows in both engines and compare. Compile in the parent also before starting workers: they then load the cached code in
hundredths of a second. Rows do not depend on which others are in the block, bit for bit; 32 rows or more per block
keep the lanes busy. One process runs one block at a time: the scratch space of a model is not shared by threads.

Needs llvmlite 0.45 or newer, which nothing else here imports.
"""

from ._read import Unsupported
from ._rows import BatchModel, compile_model, run_rows

__all__ = ["BatchModel", "Unsupported", "compile_model", "run_rows"]
