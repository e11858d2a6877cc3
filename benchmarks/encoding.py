"""RidgeCV beside himalaya's, in one run on the same data: time, memory, and whether they agree.

One outer fold: 2,565 training and 2,565 test rows, 10 penalties from 1 to 1e10, 5 contiguous inner folds, float32.
Timed: fit, and the correlation of every target on the test rows. Both run in turn, ours first and last, so that a
busy machine slows both; medians are of wall time, and the processor time of all threads stands beside them.

    python benchmarks/encoding.py            # all cases, about ten minutes on two cores
    python benchmarks/encoding.py --case 50  # one of 50, 576, 576-decaying, 4096
"""

from __future__ import annotations

import argparse
import gc
import resource
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch

from neuroconverge.encoding import RidgeCV

ROWS = 2565
ALPHAS = np.logspace(0, 10, 10)
CASES = {  # name: features, targets, exponent of the decay of the feature variances, ratio wanted
    "50": (50, 30_080, 0.0, 40),
    "576": (576, 8_000, 0.0, 6),
    "576-decaying": (576, 8_000, 1.0, None),
    "4096": (4_096, 8_000, 0.0, None),
}


def simulated(features: int, targets: int, decay: float, seed: int = 0):
    """X and Y of both halves: the first half of the targets carries a signal of 1 % to 50 % of the variance."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((2 * ROWS, features), dtype=np.float32)
    X *= np.arange(1, features + 1, dtype=np.float32) ** (-decay / 2) * (30 if decay else 1)
    Y = rng.standard_normal((2 * ROWS, targets), dtype=np.float32)
    planted = targets // 2
    share = 10 ** rng.uniform(-2, np.log10(0.5), planted)
    for start in range(0, planted, 1000):
        cols = slice(start, min(start + 1000, planted))
        signal = X @ rng.standard_normal((features, cols.stop - start), dtype=np.float32)
        gain = np.sqrt(share[cols] / (1 - share[cols])) / signal.std(0)
        Y[:, cols] += signal * gain.astype(np.float32)
    return (X[:ROWS], Y[:ROWS]), (X[ROWS:], Y[ROWS:])


def ours(train, test):
    model = RidgeCV(ALPHAS, cv=5).fit(*train)
    return model.best_alphas_, model.score(*test)


def himalaya(train, test, batch=None, kernel=False):
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV as Ridge
    from himalaya.scoring import correlation_score

    params = {"n_targets_batch": batch, "n_targets_batch_refit": batch}
    alphas = ALPHAS.astype(train[0].dtype)
    if kernel:
        train, test = [(X, Y - train[1].mean(0)) for X, Y in (train, test)]
        model = KernelRidgeCV(alphas, cv=5, solver_params=params)
    else:
        model = Ridge(alphas, fit_intercept=True, cv=5, solver_params={**params, "warn": False})
    model.fit(*train)
    return np.asarray(model.best_alphas_), np.asarray(correlation_score(test[1], model.predict(test[0])))


def timed(function):
    """Result, wall seconds, processor seconds."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def report(name: str, repeats: int) -> None:
    features, targets, decay, wanted = CASES[name]
    train, test = simulated(features, targets, decay)
    size = train[1].nbytes
    print(f"\n== {features:,} features x {targets:,} targets, decay {decay:g}; targets {size / 1e6:.0f} MB ==")
    rivals = {"himalaya": himalaya, "himalaya, batches of 1,000": partial(himalaya, batch=1000)}
    if features > ROWS:
        rivals["himalaya kernel, batches of 1,000"] = partial(himalaya, batch=1000, kernel=True)
    functions = {"neuroconverge": ours, **rivals}
    runs: dict = {label: [] for label in ("one pass: X'Y", *functions)}
    answers = {}
    for turn in range(repeats):
        order = list(functions) if turn % 2 == 0 else list(functions)[::-1]
        for label in order:
            times = 5 if label == "neuroconverge" else 1
            for _ in range(times):
                answers[label], *spent = timed(lambda f=functions[label]: f(train, test))
                runs[label].append(spent)
            runs["one pass: X'Y"].append(timed(lambda: train[1].T @ train[0])[1:])
    medians = {label: np.median(values, axis=0) for label, values in runs.items()}
    mine, floor = medians["neuroconverge"], medians["one pass: X'Y"]
    for label, (wall, cpu) in medians.items():
        ratio = f"   {wall / mine[0]:6.1f} x ours (processor time {cpu / mine[1]:.1f} x)" if label in rivals else ""
        best = min(wall for wall, _ in runs[label])
        print(f"{label:36s} {wall:8.3f} s, best {best:8.3f} s, processor {cpu:8.3f} s{ratio}")
    print(f"passes over the targets: {mine[0] / floor[0]:.1f} (two are the least: training and test)")
    if wanted:
        print(f"wanted {wanted} x himalaya: {'reached' if medians['himalaya'][0] / mine[0] >= wanted else 'MISSED'}")
    agreement(train, test, answers)
    memory(name)


def agreement(train, test, answers) -> None:
    """Alphas and scores against himalaya in float32 (all targets) and float64 (1,000 of them)."""
    planted = np.arange(train[1].shape[1]) < train[1].shape[1] // 2
    some = np.r_[:500, -500:0]
    exact = himalaya(*[(X.astype(float), Y[:, some].astype(float)) for X, Y in (train, test)])
    mine = answers["neuroconverge"]
    for label, theirs, which in (
        ("float32", answers["himalaya"], slice(None)),
        ("float64", exact, some),
    ):
        same = np.isclose(mine[0][which], theirs[0], rtol=1e-3)
        off = np.abs(mine[1][which] - theirs[1])
        for kind, part in (("planted", planted[which]), ("null", ~planted[which])):
            worst = off[part & same].max(initial=0)
            print(
                f"himalaya {label}, {kind:7s}: same alpha {same[part].mean():8.3%} of {part.sum():,}; "
                f"scores differ by at most {worst:.1e} there, {off[part & ~same].max(initial=0):.1e} elsewhere"
            )


def memory(name: str) -> None:
    """Peak memory above the data, in a process of its own."""
    for label in ("neuroconverge", "himalaya, batches of 1,000"):
        command = [sys.executable, str(Path(__file__)), "--case", name, "--memory-of", label.split(",")[0]]
        extra, size = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
        print(f"memory above the data, {label}: {extra / 1e6:.0f} MB = {extra / size:.2f} x the training targets")


def measure_memory(name: str, label: str) -> None:
    function = ours if label == "neuroconverge" else partial(himalaya, batch=1000)
    warm, data = simulated(20, 200, 0.0), simulated(*CASES[name][:3])
    function(*warm)
    gc.collect()
    try:  # Linux: forget the peak that making the data left behind
        Path("/proc/self/clear_refs").write_text("5")
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        before = int(status["VmRSS"].split()[0]) * 1024
        function(*data)
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        peak = int(status["VmHWM"].split()[0]) * 1024
    except OSError:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        function(*data)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(peak - before, data[0][1].nbytes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    if options.memory_of:
        measure_memory(options.case, options.memory_of)
    else:
        print(f"{torch.get_num_threads()} threads, NumPy {np.__version__}, PyTorch {torch.__version__}")
        for case in [options.case] if options.case else CASES:
            report(case, options.repeats)
