"""RSA beside rsatoolbox: the same numbers, how fast, and whether intervals and p values keep their word.

python benchmarks/rsa.py                    all three tables
python benchmarks/rsa.py --only speed       one of them: speed, rates
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from unittest import mock

import numpy as np
import pandas as pd
from rsatoolbox.inference import eval_dual_bootstrap, evaluate
from rsatoolbox.model import ModelFixed
from scipy.spatial.distance import pdist
from scipy.stats import binomtest

from neuroconverge import DataUnavailable, datasets, resampling, rsa, simulate

SPEED_BOOTS = 1000
PERMUTATIONS = 199
# Every simulated truth is the mean score of this many studies that no interval was computed on.
TRUTH_STUDIES = 1000
LEVEL = 0.95


def people_and_models():
    """Eight models, four people, 92 stimuli: the 92 images, or SIMULATED studies of the same size."""
    try:
        data = datasets.images92()
        return data.rdms["published_models"], rsa.average(data.rdms["IT4"]), "the 92 images (IT, 4 people)"
    except DataUnavailable:
        study = simulate.rsa_study(mixture=(1, 0.5, 0.2, 0, 0, 0, 0, 0), n_subjects=4, n_stimuli=92)
        return study.models, study.brain, "SIMULATED data (the 92 images are out of reach)"


def toolbox(models, people, n_boot: int):
    """rsatoolbox's dual bootstrap: its result, its seconds, and its samples as counts of stimuli and of people."""
    original, stimuli, subjects = evaluate.bootstrap_sample, [], []

    def recorded(data, **arguments):
        sample, people_drawn, stimuli_drawn = original(data, **arguments)
        stimuli.append(np.bincount(stimuli_drawn, minlength=data.n_cond))
        subjects.append(np.bincount(people_drawn, minlength=data.n_rdm))
        return sample, people_drawn, stimuli_drawn

    fixed = [ModelFixed(str(i), models.subset("index", [i])) for i in range(models.n_rdm)]
    np.random.seed(0)  # rsatoolbox draws from the global generator
    with mock.patch.object(evaluate, "bootstrap_sample", recorded), contextlib.redirect_stderr(io.StringIO()):
        start = time.perf_counter()
        result = eval_dual_bootstrap(fixed, people, method="spearman", k_pattern=1, k_rdm=1, N=n_boot)
        seconds = time.perf_counter() - start
    return result, seconds, np.array(stimuli), np.array(subjects)


def speed(toolbox_boots: int) -> None:
    models, people, what = people_and_models()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        ours = rsa.crossed_bootstrap(models, people, n_boot=SPEED_BOOTS)
        seconds.append(time.perf_counter() - start)
    result, theirs, stimuli, subjects = toolbox(models, people, toolbox_boots)
    scaled = theirs * SPEED_BOOTS / toolbox_boots
    note = "measured" if toolbox_boots == SPEED_BOOTS else f"{theirs:.2f} s for {toolbox_boots}, scaled linearly"
    with mock.patch.object(
        resampling, "_counts", lambda _, n, *rest, **more: stimuli if n == people.n_cond else subjects
    ):
        same = rsa.crossed_bootstrap(models, people, n_boot=toolbox_boots)
    their_se = np.sqrt(result.model_var)
    apart, same_apart = abs(ours.se - their_se), abs(same.se - their_se).max()
    print(f"\n1. Speed: {models.n_rdm} models x {people.n_rdm} people x {people.n_cond} stimuli, Spearman, {what}")
    print(f"   rsatoolbox   {scaled:8.2f} s for {SPEED_BOOTS} crossed bootstraps ({note})")
    print(f"   neuroconverge{min(seconds):8.2f} s for {SPEED_BOOTS} (best of 3; slowest {max(seconds):.2f} s)")
    print(f"   ratio        {scaled / min(seconds):8.0f}")
    print(f"   Largest difference in standard error on the same {toolbox_boots} samples: {same_apart:.1e}.")
    errors = " and ".join(f"{1 / np.sqrt(2 * n):.0%}" for n in (SPEED_BOOTS, toolbox_boots))
    print(
        f"   With samples of our own ({SPEED_BOOTS} against {toolbox_boots}): {apart.max():.4f}, or "
        f"{(apart / their_se).max():.0%} of the standard error.\n   Monte-Carlo error of the two, one standard "
        f"deviation and one model: {errors} at least; this is the largest of {models.n_rdm} models."
    )


def alike(seed: int, n_subjects: int, n_stimuli: int, mixture=(1, 0)):
    """SIMULATED: all stimuli are alike. Model 0 is planted (unless the mixture is zero), model 1 is not."""
    study = simulate.rsa_study(mixture=mixture, n_subjects=n_subjects, n_stimuli=n_stimuli, seed=seed)
    return study.models.get_vectors(), study.brain.get_vectors()


def stand_out(seed: int, n_subjects: int, n_stimuli: int, n_dims: int = 20):
    """SIMULATED: some stimuli are far from all others. Model 0 is planted, model 1 is not."""
    rng = np.random.default_rng(seed)
    strength = np.exp(0.25 * rng.standard_normal((2, n_stimuli, 1)))
    spaces = rng.standard_normal((2, n_stimuli, n_dims)) * strength
    gains = np.exp(0.5 * rng.standard_normal((n_subjects, 1, n_dims)))
    subjects = gains * spaces[0] + 2 * rng.standard_normal((n_subjects, n_stimuli, n_dims))
    return np.array([pdist(space) for space in spaces]), np.array([pdist(subject) for subject in subjects])


WORLDS = {"alike": alike, "nothing planted": partial(alike, mixture=(0, 0)), "stand out": stand_out}


def scores(seed: int, world: str, n_subjects: int, n_stimuli: int) -> np.ndarray:
    return rsa.compare(*WORLDS[world](seed, n_subjects, n_stimuli)).mean(1)


def study(seed: int, world: str, n_subjects: int, n_stimuli: int, n_boot: int) -> pd.DataFrame:
    models, people = WORLDS[world](seed, n_subjects, n_stimuli)
    table = rsa.crossed_bootstrap(models, people, n_boot=n_boot, seed=seed)
    table["p_shuffled"] = rsa.permutation_test(models, people, n_perm=PERMUTATIONS, seed=seed).p
    return table


def share(hits: np.ndarray) -> str:
    """A rate with its 95 % binomial interval (Wilson)."""
    low, high = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return f"{hits.mean():.3f} [{low:.3f} {high:.3f}]"


def cell(pool, world: str, n_subjects: int, n_stimuli: int, simulations: int, n_boot: int) -> dict:
    sizes = {"world": world, "n_subjects": n_subjects, "n_stimuli": n_stimuli}
    # Seeds of the truth and of the studies never meet.
    truth = np.mean(list(pool.map(partial(scores, **sizes), range(10**6, 10**6 + TRUTH_STUDIES), chunksize=50)), axis=0)
    if world == "nothing planted":
        truth[:] = 0
    truth[1] = 0
    tables = list(pool.map(partial(study, **sizes, n_boot=n_boot), range(simulations), chunksize=5))
    column = {name: np.array([table[name] for table in tables]) for name in tables[0] if name != "model"}
    covered = (column["low"] <= truth) & (truth <= column["high"])
    return {
        "stimuli": world,
        "people": n_subjects,
        "n": n_stimuli,
        "true score": f"{truth[0]:.3f}",
        "SE / SD": f"{np.sqrt(np.mean(column['se'][:, 0] ** 2)) / column['score'][:, 0].std(ddof=1):.2f}",
        "covers truth": share(covered[:, 0]),
        "SE / SD, null": f"{np.sqrt(np.mean(column['se'][:, 1] ** 2)) / column['score'][:, 1].std(ddof=1):.2f}",
        "p_zero < .05, null": share(column["p_zero"][:, 1] <= 1 - LEVEL),
        "permutation p, null": share(column["p_shuffled"][:, 1] <= 1 - LEVEL),
    }


def rates(simulations: int, n_boot: int, people: list[int], stimuli: list[int], worlds: list[str], jobs: int) -> None:
    print(f"\n2 and 3. SIMULATED studies: {simulations} a row, {n_boot} bootstraps, {PERMUTATIONS} permutations each.")
    print("   Model 0 gives the coverage of the 95 % interval, model 1 (unrelated) the rejections at p <= .05.\n")
    with ProcessPoolExecutor(jobs) as pool:
        for i, (world, n, s) in enumerate(product(worlds, stimuli, people)):
            row = {key: str(value) for key, value in cell(pool, world, s, n, simulations, n_boot).items()}
            widths = [max(len(key), len(value), 15 if key == "stimuli" else 0) for key, value in row.items()]
            for line in ([row.keys()] if i == 0 else []) + [row.values()]:
                print("  ".join(f"{text:>{width}}" for text, width in zip(line, widths, strict=True)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["speed", "rates"])
    parser.add_argument("--toolbox-boots", type=int, default=50, help="bootstraps that rsatoolbox really runs")
    parser.add_argument("--simulations", type=int, default=200, help="simulated studies in each row")
    parser.add_argument("--boots", type=int, default=500, help="bootstraps in each simulated study")
    parser.add_argument("--people", type=int, nargs="+", default=[4, 8, 15])
    parser.add_argument("--stimuli", type=int, nargs="+", default=[20, 40, 92])
    parser.add_argument("--worlds", choices=list(WORLDS), nargs="+", default=list(WORLDS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    start = time.perf_counter()
    if options.only != "rates":
        speed(options.toolbox_boots)
    if options.only != "speed":
        rates(options.simulations, options.boots, options.people, options.stimuli, options.worlds, options.jobs)
    print(f"\n{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
