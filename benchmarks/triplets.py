"""fit_embedding beside a public training loop, on the same real choices: time to equal accuracy on other choices.

Training: the 124,121 choices of THINGS that share no triplet with the test part; judged on the 50,000 of the test
part, which neither sees. Processor time of all threads stands beside wall time: on a busy machine it is the fairer one.

    python benchmarks/triplets.py                      # beside a plain minibatch loop
    python benchmarks/triplets.py --vice PATH          # beside VICE: PATH is a checkout of LukasMut/VICE

VICE needs torchtyping, typeguard < 3, scikit-image and statsmodels. Its own step over the data is called as it is
(batch 128, 60 dimensions, one sample of the weights, its published prior); after each epoch its mean weights, cut off
at 0, are scored. The plain loop is SPoSE's objective with autograd over the same one-hot batches: this file's own,
not anybody's published code.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from neuroconverge import datasets, triplets

DIMS, BATCH, RATE = 60, 128, 0.001


def one_hot_batches(rows: np.ndarray, n_objects: int, seed: int) -> Iterator[torch.Tensor]:
    identity = torch.eye(n_objects)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(rows))
    for batch in order.split(BATCH):
        yield identity[batch.reshape(-1)]


def plain_loop(rows: np.ndarray, n_objects: int) -> tuple[Callable[[int], None], Callable[[], np.ndarray]]:
    weights = torch.nn.Parameter(0.1 + 0.01 * torch.randn(n_objects, DIMS, generator=torch.Generator().manual_seed(0)))
    optimiser = torch.optim.Adam([weights], lr=RATE)

    def epoch(number: int) -> None:
        for batch in one_hot_batches(rows, n_objects, number):
            first, second, odd = (batch @ weights).reshape(-1, 3, DIMS).unbind(1)
            dots = torch.stack([(first * second).sum(1), (first * odd).sum(1), (second * odd).sum(1)], 1)
            choice = -torch.log_softmax(dots, 1)[:, 0].mean()
            loss = choice + 0.004 * weights.abs().sum() / n_objects + torch.relu(-weights).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return epoch, lambda: weights.detach().clamp(min=0).numpy()


def vice_loop(path: str, rows: np.ndarray, n_objects: int):
    sys.path.insert(0, path)
    import data
    import optimization

    torch.manual_seed(0)
    model = optimization.VICE(
        **{"task": "odd-one-out", "n_train": len(rows), "n_objects": n_objects, "init_dim": DIMS, "optim": "adam"},
        **{"eta": RATE, "batch_size": BATCH, "epochs": 1, "burnin": 0, "mc_samples": 1, "mixture": "gaussian"},
        **{"spike": 0.25, "slab": 1.0, "pi": 0.6, "k": 5, "ws": 200, "steps": 50, "device": torch.device("cpu")},
        **{"model_dir": tempfile.mkdtemp(), "results_dir": tempfile.mkdtemp()},
    )
    model.initialize_optim_()
    loaded = torch.utils.data.DataLoader(data.TripletData(rows, n_objects), batch_size=BATCH, shuffle=True)
    return lambda number: model.stepping(loaded), lambda: np.maximum(model.detached_params["loc"], 0)


def timed(action: Callable, *arguments):
    wall, cpu = time.perf_counter(), time.process_time()
    out = action(*arguments)
    return out, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vice", help="folder of a checkout of LukasMut/VICE")
    parser.add_argument("--epochs", type=int, default=40, help="at most so many epochs of the other loop")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train, test = datasets.things_training(), datasets.things_triplets("test")
    print(f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}; {len(train):,} choices")
    fit, wall, cpu = timed(triplets.fit_embedding, train, None, DIMS)
    goal = triplets.accuracy(fit.weights, test)
    print(
        f"fit_embedding: {fit.n_dims} dimensions, test accuracy {goal.accuracy:.4f}, {wall:.1f} s wall, {cpu:.1f} s CPU"
    )
    name = "VICE" if options.vice else "plain loop"
    rows, n = np.array(train.rows), len(train.ids)
    epoch, weights = vice_loop(options.vice, rows, n) if options.vice else plain_loop(rows, n)
    spent = np.zeros(2)
    for number in range(options.epochs):
        _, *seconds = timed(epoch, number)
        spent += seconds
        reached = triplets.accuracy(weights(), test.rows).accuracy
        print(
            f"{name}, epoch {number + 1}: {seconds[0]:.1f} s wall, {seconds[1]:.1f} s CPU; accuracy {reached:.4f}; "
            f"so far {spent[0] / wall:.1f} x our wall, {spent[1] / cpu:.1f} x our CPU",
            flush=True,
        )
        if reached >= goal.accuracy:
            print(f"{name} is as accurate after {number + 1} epochs.")
            break
    else:
        print(f"{name} is not as accurate after {options.epochs} epochs: the factors are lower bounds.")


if __name__ == "__main__":
    main()
