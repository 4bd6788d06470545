"""A batch engine: many parameter rows of one model at once, one row per vector lane, as machine code.

`read` and `operations` turn flat SBML into expressions, `symbolic` differentiates them and orders the elimination,
`codegen` writes LLVM code for vectors, `formulas` that of expressions and sparse factors, `step` the integrator
(Rodas5P), `machine` compiles and caches, `rows` runs the rows of a job. libroadrunner stays the reference.

`run_rows(job, table)` returns the courses that `run_job(job, row)` would give for each row, and which rows failed and
why; these go to libroadrunner. `compile_model(job.sbml)` raises `Unsupported` with a reason of one line for a model
that must go there; a model compiled once is loaded by other processes in hundredths of a second. Rows do not depend
on which others are in the block, bit for bit; 32 rows or more per block keep the lanes busy. Threads may run blocks
of one model at the same time: every run has scratch space of its own.

Needs llvmlite 0.45 or newer, which nothing else here imports.
"""

from .read import Unsupported
from .rows import BatchModel, compile_model, run_rows

__all__ = ["BatchModel", "Unsupported", "compile_model", "run_rows"]
