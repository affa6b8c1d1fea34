"""Kill what writes results with SIGKILL at random moments, resume it, and compare with an undisturbed run.

    python scripts/soak.py --kills 20 --only training,export

Each job runs once undisturbed, then is killed and started again `--kills` times, and may then end. Its results must be
the same bits; a whole `make run` must yield the same metrics. A table at the end lists each job, its kills and "equal"
or what differs. Exit code 1 if a job differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from soak_jobs import JOBS, PRELOADED, PROJECT, inputs

VOLATILE = (".lock", "report.html")
TIMES = ("seconds", "waiting")  # of histories
RUN = [sys.executable, "-m", "helpers.runner", "--profile", "smoke"]


def digests(folder: Path) -> dict[str, str]:
    """Return the hash of each result; times are left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in VOLATILE:
            data = path.read_bytes()
            if path.name == "history.json":
                kept = {key: value for key, value in json.loads(data).items() if key not in TIMES}
                data = json.dumps(kept, sort_keys=True).encode()
            found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def soak(name: str, root: Path, work: Path, kills: int, seed: int) -> str:
    """Kill the job `name` `kills` times, and return what differs from an undisturbed run; "" if nothing does."""
    # Fork from a server that has imported the packages, so that a kill does not cost an import.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED[name])
    generator = random.Random(seed)
    undisturbed, killed = work / "undisturbed", work / "results"
    log = work / "output.txt"

    def start(folder: Path):
        process = context.Process(target=_quietly, args=(name, root, folder, log))
        process.start()
        return process

    server = context.Process(target=int)  # starts the server, so that its imports are not measured
    server.start()
    server.join()
    started = time.monotonic()
    process = start(killed)
    process.join()
    took = time.monotonic() - started
    if process.exitcode:
        return f"the undisturbed run failed with {process.exitcode} ({_last_line(log)})"
    killed.rename(undisturbed)  # both have the same path while they run, which some results name
    done = 0
    for _ in range(10 * kills):
        process = start(killed)
        process.join(generator.uniform(0, took))
        if process.exitcode is None:
            process.kill()
            process.join()
            done += 1
        elif process.exitcode:
            return f"failed with {process.exitcode} after {done} kills ({_last_line(log)})"
        else:  # complete: start over, unless that is all
            if done >= kills:
                break
            if digests(killed) != digests(undisturbed):
                return f"differs in {_difference(killed, undisturbed)} after {done} kills"
            shutil.rmtree(killed)
        if done >= kills:
            break
    process = start(killed)
    process.join()
    if process.exitcode:
        return f"failed with {process.exitcode} after {done} kills ({_last_line(log)})"
    differences = _difference(killed, undisturbed)
    return differences and f"differs in {differences}"


def _quietly(name: str, root: Path, folder: Path, log: Path) -> None:
    """Run a job whose output goes to the file `log`."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    JOBS[name](root, folder)


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").splitlines() or ["no output"])[-1]


def _difference(one: Path, two: Path) -> str:
    first, second = digests(one), digests(two)
    return ", ".join(sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name)))


def soak_run(work: Path, kills: int, seed: int, notebooks: list[str]) -> str:
    """Kill `make run PROFILE=smoke` `kills` times, and return the metrics that differ from an undisturbed run.

    The notebooks run one after another, and the kills are distributed over them, so that a kill costs only the time of
    its notebook.
    """
    from helpers.runner.reference import is_time

    generator = random.Random(seed)
    log = work / "output.txt"

    def start(notebook: str, folder: Path) -> subprocess.Popen:
        with log.open("w") as output:
            return subprocess.Popen(
                [*RUN, "--only", notebook, "--output-dir", str(folder)],
                cwd=PROJECT,
                start_new_session=True,
                stdout=output,
                stderr=output,
            )

    def metrics(folder: Path) -> dict[str, float]:
        recorded = json.loads((folder / "metrics.json").read_text())
        return {name: value for name, value in recorded.items() if not is_time(name)}

    took = {}
    for notebook in notebooks:
        started = time.monotonic()
        if code := start(notebook, work / "undisturbed").wait():
            return f"the undisturbed notebook {notebook} failed with {code} ({_last_line(log)})"
        took[notebook] = time.monotonic() - started
    chosen = generator.choices(notebooks, k=kills)
    for notebook in notebooks:
        limits = [generator.uniform(0, took[notebook]) for _ in range(chosen.count(notebook))]
        for limit in [*limits, None]:
            process = start(notebook, work / "killed")
            try:
                if code := process.wait(limit):
                    return f"notebook {notebook} failed with {code} ({_last_line(log)})"
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # its kernels notice that their parent has ended
                process.wait()
    first, second = metrics(work / "undisturbed"), metrics(work / "killed")
    different = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    return "" if not different else f"differs in {', '.join(different)}"


def table(results: dict[str, tuple[str, float]], kills: int) -> str:
    """Return a table of the jobs: kills, minutes, and what differs, from (problem or "", seconds) by job."""
    rows = [("job", "kills", "minutes", "result")]
    for name, (problem, seconds) in results.items():
        rows.append((name, str(kills), f"{seconds / 60:.1f}", problem or "equal"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row[:3], widths, strict=True)), row[3]]) for row in rows)


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="of each job (default: %(default)s)")
    parser.add_argument("--only", default="", help=f"some of {', '.join(JOBS)}, run (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--notebooks", default="", help="of the job run, such as 02,04 (default: all)")
    options = parser.parse_args()
    names = [name for name in options.only.split(",") if name] or [*JOBS, "run"]
    if unknown := [name for name in names if name not in {*JOBS, "run"}]:
        parser.error(f"there is no job {unknown[0]}: choose from {', '.join(JOBS)}, run")
    every = sorted(path.name[:2] for path in (PROJECT / "notebooks").glob("[0-9]*.ipynb"))
    notebooks = [number for number in options.notebooks.split(",") if number] or every
    if unknown := [number for number in notebooks if number not in every]:
        parser.error(f"there is no notebook {unknown[0]}: choose from {', '.join(every)}")
    results = {}
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        root = inputs(Path(folder) / "inputs")
        for name in names:
            work = Path(folder) / name
            work.mkdir()
            started = time.monotonic()
            if name == "run":
                problem = soak_run(work, options.kills, options.seed, notebooks)
            else:
                problem = soak(name, root, work, options.kills, options.seed)
            results[name] = (problem, time.monotonic() - started)
            print(f"{name}: {problem or f'{options.kills} kills, equal'}", flush=True)
    print("\n" + table(results, options.kills))
    return int(any(problem for problem, _ in results.values()))


if __name__ == "__main__":
    sys.exit(main())
