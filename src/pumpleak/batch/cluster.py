"""Chunks of a batch on many processes: Dask, one single-threaded worker a process, one device each.

The caller reads the table and is the only one who writes; a worker gets a chunk's rows and returns its arrays.
A worker that dies is replaced, and its chunks are computed again by others. Workers of this machine talk TLS with
certificates made for the run, so that no other user can send them work; another cluster is as safe as its address,
``tls://`` with the certificates of Dask's configuration.
"""

import hashlib
import logging
import os
import pickle
import runpy
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from ..data.cell_rows import CellRows
from ..errors import InputError
from ..files.locks import Lock, holding
from ..files.programs import check_programs
from .chunk import Chunk, Job, Solver
from .claims import gate

_AHEAD = 2  # chunks handed out for each worker
_RETRIES = 3
_ANSWER = 10.0  # seconds in which a scheduler must answer
_WORKERS = 60.0  # and in which it must have a worker
_SOLVERS: dict[str, Solver] = {}


@contextmanager
def cluster(workers: int | None, scheduler: str | None, run: Path) -> Iterator[Any]:
    """A Dask client: of `workers` processes on this machine, or of the cluster whose scheduler is there.

    Args:
        workers: processes on this machine.
        scheduler: address of another cluster's.
        run: folder of the run, in which workers of this machine have theirs, which nobody else may look into.

    Raises:
        InputError: Dask is not installed, the scheduler does not answer, or has no workers.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
        from distributed.security import Security

        temporary = Security.temporary() if scheduler is None else None
    except ImportError:
        raise InputError(
            "workers need Dask, which is not installed",
            mend="Install the extra: pip install 'pumpleak[dask]' (in a clone: uv sync --extra dask)",
        ) from None

    with ExitStack() as stack:
        stack.enter_context(
            dask.config.set(
                {
                    "distributed.comm.timeouts.connect": f"{_ANSWER}s",
                    "distributed.admin.large-graph-warning-threshold": "1GB",
                    "distributed.scheduler.allowed-failures": 10,
                }
            )
        )
        if temporary is not None:
            scratch = stack.enter_context(_scratch(run))
            try:
                with (
                    _deaf_to_the_keyboard()
                ):  # the thread that starts workers, now and later, and so they themselves
                    local = LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        processes=True,
                        dashboard_address=None,
                        security=temporary,
                        protocol="tls",
                        local_directory=scratch,
                        memory_limit=0,
                        env={"PUMPLEAK_WORKERS": str(workers)},
                        silence_logs=50,
                    )
            except RuntimeError as error:
                raise InputError(
                    f"the workers did not start ({str(error).strip().splitlines()[0].rstrip('.')})",
                    mend="In a script of your own, call this under `if __name__ == '__main__':`, for each worker"
                    " imports the script",
                ) from error
            except TimeoutError:
                raise _late() from None
            stack.enter_context(local)
            try:
                client = stack.enter_context(Client(local))
            except TimeoutError:
                raise _late() from None
            yield client
            return
        try:
            client = stack.enter_context(Client(scheduler, timeout=_ANSWER))
        except (OSError, TimeoutError, TypeError, ValueError) as error:  # TypeError: no certificates
            raise InputError(
                f"the scheduler {scheduler} does not answer ({type(error).__name__})",
                mend="Start it (`dask scheduler`), or check the address: tcp://HOST:8786; tls:// needs the"
                " certificates in Dask's configuration (distributed.comm.tls)",
            ) from None
        try:
            client.wait_for_workers(1, timeout=_WORKERS)
        except TimeoutError:
            raise InputError(
                f"the scheduler {scheduler} has no workers",
                mend=f"Start some: `dask worker {scheduler} --nthreads 1`",
            ) from None
        yield client


def _late() -> InputError:
    return InputError(
        "the workers did not start in time: this machine is busy",
        mend="Give the same command again, which goes on from what is done, or ask for fewer workers",
    )


@contextmanager
def _deaf_to_the_keyboard() -> Iterator[None]:
    """Block Ctrl-C, which a terminal sends to workers as well; threads and processes begun meanwhile never hear it.

    This thread hears afterwards what came meanwhile. Workers end with the process that started them.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would let the signal through again where it begins
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _scratch(run: Path) -> Iterator[str]:
    """A folder for the workers' files, gone afterwards; those of runs that were killed go as well."""
    with holding(gate(run)):
        for path in run.glob(".workers-*.part"):
            lock = Lock(path / "lock")
            if lock.take():
                shutil.rmtree(path, ignore_errors=True)
                lock.release()
        folder = Path(tempfile.mkdtemp(prefix=".workers-", suffix=".part", dir=run))
        mine = Lock(folder / "lock")
        mine.take()
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        mine.release()


def solve_chunks(
    client: Any, job: Job, chunks: Iterator[tuple[int, CellRows]], heard: Callable[[str], None]
) -> Iterator[tuple[int, Chunk]]:
    """Chunks as they are done, in whatever order.

    Args:
        client: from `cluster`.
        job: the run's.
        chunks: the rows of each chunk that is to be computed; read as far as workers can take them.
        heard: called once with a line about the workers.
    """
    import cloudpickle
    from distributed import as_completed

    text = cloudpickle.dumps(job)  # a model may have been defined in a script or a notebook
    mark = hashlib.sha256(text).hexdigest()
    n = len(client.scheduler_info(n_workers=-1)["workers"])
    heard(f"{n} worker{'s'[: n > 1]} of the scheduler {client.scheduler.address}")
    running: dict[Any, int] = {}
    done = as_completed(loop=client.loop)

    def hand_out() -> None:
        for i, rows in chunks:
            future = client.submit(_solve, mark, text, rows, key=f"chunk-{mark[:12]}-{i}", retries=_RETRIES)
            running[future] = i
            done.add(future)
            return

    for _ in range(_AHEAD * n):
        hand_out()
    try:
        for future in done:
            i = running.pop(future)
            yield i, _result(future)
            future.release()
            hand_out()
    finally:
        client.cancel(list(running))


def _result(future: Any) -> Chunk:
    try:
        return future.result()
    except ImportError as error:
        raise InputError(
            f"the workers cannot run this: {error}", mend="Install the same pumpleak where the workers are"
        ) from error


def _solve(mark: str, job: bytes, rows: CellRows) -> Chunk:
    """On a worker: a chunk's arrays."""
    solver = _SOLVERS.get(mark)
    if solver is None:
        _take_share()
        check_programs()
        given: Job = pickle.loads(job)
        for path, text in given.plugins:
            execute(path, text)
        solver = _SOLVERS[mark] = Solver(given)
    return solver(rows)


def _take_share() -> None:
    """Keep to this worker's part of the machine: its cores, one GPU; what starts from here on does too."""
    if "PUMPLEAK_WORKERS" not in os.environ:
        return
    from distributed import get_worker

    logging.getLogger("jax._src.xla_bridge").setLevel(logging.CRITICAL)  # who started this one has been told
    n, k = int(os.environ["PUMPLEAK_WORKERS"]), int(get_worker().name)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[k % n :: n] or [cores[k % len(cores)]])
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = given.split(",") if given else [str(i) for i, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[k % len(gpus)]
        if n > len(gpus):
            os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"


def execute(path: str, text: str) -> None:
    """Run a plugin's text as the file `path` would be run."""
    if Path(path).is_file() and Path(path).read_text(encoding="utf-8") == text:
        runpy.run_path(path)
        return
    with tempfile.TemporaryDirectory(prefix="pumpleak-") as folder:
        file = Path(folder) / Path(path).name
        file.write_text(text, encoding="utf-8")
        runpy.run_path(str(file))
