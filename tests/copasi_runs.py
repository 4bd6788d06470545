"""COPASI in a process of its own: it may crash on a file, which then counts as refused."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np

OPTIONS = {"use_sbml_id": True, "method": "lsoda", "r_tol": 1e-9, "a_tol": 1e-12, "max_steps": 1_000_000}
LONGEST = 60.0  # seconds


class Refused(Exception):
    """COPASI does not run the file."""


class Copasi:
    """Runs SBML texts, one after the other."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def course(self, text: str, duration: float, points: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """What changes, by id: (concentrations or values, amounts); raises `Refused`."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        try:
            return self._pool.submit(_course, text, duration, points).result(LONGEST)
        except (BrokenProcessPool, TimeoutError, RuntimeError) as error:
            self.close()
            raise Refused(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            for process in list(self._pool._processes.values()):
                process.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _course(text: str, duration: float, points: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    import basico

    handle = basico.load_model_from_string(text)
    if handle is None:
        raise RuntimeError("COPASI cannot read the file")
    try:
        particles = handle.getModel().getQuantity2NumberFactor()
        concentrations, numbers = (
            basico.run_time_course(duration=duration, intervals=points - 1, use_concentrations=c, **OPTIONS)
            for c in (True, False)
        )
    except Exception as error:  # an error of COPASI holds what cannot travel between processes
        raise RuntimeError(f"{type(error).__name__}: {error}") from None
    finally:
        basico.remove_datamodel(handle)
    if len(numbers) != points:
        raise RuntimeError("COPASI stopped early")
    return {str(k): (concentrations[k].to_numpy(), numbers[k].to_numpy() / particles) for k in concentrations.columns}
