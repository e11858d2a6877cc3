"""Mutual nearest neighbours of all pairs of layers, beside one call a pair: the same numbers, how fast?

    python benchmarks/similarity.py                        # beside the same steps, written out here
    python benchmarks/similarity.py --platonic PATH        # beside metrics.py of a checkout of minyoungg/platonic-rep

Two SIMULATED networks of 30 layers of 576 features that share a latent space. The peer is timed on ``--pairs`` pairs,
spread over the layers, and scaled to all of them; its numbers are compared on these. Its code imports torchaudio for
another measure: an empty module stands in.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import types
from collections.abc import Callable

import numpy as np
import torch

from neuroconverge import similarity

LAYERS, WIDTH, K = 30, 576, 10


def network(n: int, seed: int) -> np.ndarray:
    """SIMULATED layers (layers, n, width), of unit length a stimulus, float32."""
    latent = np.random.default_rng(0).standard_normal((n, 40))
    rng = np.random.default_rng(seed)
    layers = [latent @ rng.standard_normal((40, WIDTH)) + 4 * rng.standard_normal((n, WIDTH)) for _ in range(LAYERS)]
    return np.array([x / np.linalg.norm(x, axis=1, keepdims=True) for x in layers], np.float32)


def one_pair(a: torch.Tensor, b: torch.Tensor, topk: int) -> float:
    """All cosines sorted, two masks, their product: what the public code does."""
    masks = []
    for x in (a, b):
        near = (x @ x.T).fill_diagonal_(-torch.inf).argsort(1, descending=True)[:, :topk]
        masks.append(torch.zeros(len(x), len(x)).scatter_(1, near, 1.0))
    return float((masks[0] * masks[1]).sum(1).mean() / topk)


def platonic(path: str) -> Callable:
    sys.path.insert(0, path)
    sys.modules["torchaudio"] = audio = types.ModuleType("torchaudio")
    sys.modules["torchaudio.functional"] = audio.functional = types.ModuleType("torchaudio.functional")
    import metrics

    return metrics.AlignmentMetrics.mutual_knn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platonic", metavar="PATH")
    parser.add_argument("--n", type=int, nargs="+", default=[1024, 5000])
    parser.add_argument("--pairs", type=int, default=9)
    options = parser.parse_args()
    peer = platonic(options.platonic) if options.platonic else one_pair
    name = "platonic-rep" if options.platonic else "one pair at a time"
    threads, load = torch.get_num_threads(), os.getloadavg()[0]
    print(f"{LAYERS} x {LAYERS} pairs, {WIDTH} features, k = {K}, {threads} threads, load {load:.1f}; peer: {name}")
    for n in options.n:
        a, b = network(n, 1), network(n, 2)
        start = time.perf_counter()
        ours = similarity.all_pairs(a, b, "mutual_knn", k=K).to_numpy()
        seconds = time.perf_counter() - start
        chosen = [(i, (7 * i) % LAYERS) for i in np.linspace(0, LAYERS - 1, options.pairs).astype(int)]
        start = time.perf_counter()
        theirs = [peer(torch.from_numpy(a[i]), torch.from_numpy(b[j]), topk=K) for i, j in chosen]
        each = (time.perf_counter() - start) / len(chosen)
        apart = max(abs(ours[pair] - score) for pair, score in zip(chosen, theirs, strict=True))
        print(f"n = {n}: {seconds:.2f} s for all; peer {each:.3f} s a pair, {each * ours.size:.0f} s for all, ratio")
        print(f"{each * ours.size / seconds:.0f}. Scores {ours.min():.3f} to {ours.max():.3f}, apart by {apart:.1e}.")


if __name__ == "__main__":
    main()
