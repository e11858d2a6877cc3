"""States of words in time: one window for each word against exact windows in batches and rolling windows.

All layers of SmolLM2 for words of the podcast story, 64 tokens of context. The peer is what one would write first: cut
out the last 64 tokens, run the network on them alone, keep the last state of every layer.

    python benchmarks/words.py [--context 64] [--repeats 3] [--threads 2]
"""

from __future__ import annotations

import argparse
import gc
import os
import time

import numpy as np
import torch

from neuroconverge import models
from neuroconverge.datasets import podcast_words
from neuroconverge.encoding import correlation_score

START, SHORT, LONG = 200, 240, 2000  # words; the fast way reads more of them, for a stable time a word
WANTED = {"exact, bfloat16": 1.5, "rolling": 20}


def one_by_one(model, words: list[str], context: int) -> np.ndarray:
    """(layers, words, dim): each word in a window of its own."""
    ids, owner = model._aligned(words)
    last = np.flatnonzero(np.r_[np.diff(owner) > 0, True])
    out = []
    with torch.inference_mode():
        for end in last + 1:
            tokens = torch.tensor([[model.begin, *ids[max(0, end - context) : end]]])
            found = model.network.base_model(tokens, output_hidden_states=True, use_cache=False)
            out.append(
                np.stack([*(layer[0, -1] for layer in found.hidden_states[:-1]), found.last_hidden_state[0, -1]])
            )
    return np.stack(out, axis=1)


def timed(function) -> tuple[np.ndarray, float, float]:
    """Result, wall seconds, processor seconds."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def change(states: np.ndarray, reference: np.ndarray) -> tuple[float, float, float]:
    """Distance in shares of the state's norm, mean and largest; one minus the correlation over words, mean over all."""
    off = np.linalg.norm(states - reference, axis=2) / np.linalg.norm(reference, axis=2)
    moved = [1 - np.nanmean(correlation_score(a, b)) for a, b in zip(reference, states, strict=True)]
    return off.mean(), off.max(), np.mean(moved)


def report(model, context: int, repeats: int) -> None:
    text = podcast_words()["word"].tolist()
    passage, story = text[START : START + SHORT], text[START : START + LONG]
    functions = {
        "one by one": lambda: one_by_one(model, passage, context),
        "exact": lambda: model.word_states(passage, context, mode="exact"),
        "exact, bfloat16": lambda: model.word_states(passage, context, mode="exact", precision="bfloat16"),
        "rolling": lambda: model.word_states(story, context),
    }
    runs: dict = {name: [] for name in functions}
    found = {}
    for turn in range(repeats):
        for name in list(functions)[:: 1 if turn % 2 == 0 else -1]:
            found[name], *spent = timed(functions[name])
            runs[name].append(np.array(spent) / found[name].shape[1])
    medians = {name: np.median(values, axis=0) for name, values in runs.items()}
    base = medians["one by one"]
    for name, (wall, cpu) in medians.items():
        ratio = f"{base[0] / wall:6.1f} x faster, processor time {base[1] / cpu:6.1f} x"
        print(f"{name:16s} {1000 * wall:7.2f} ms a word  {ratio}")
    for name, wanted in WANTED.items():
        reached = "reached" if base[1] / medians[name][1] >= wanted else "MISSED"
        print(f"wanted {name}: {wanted} x; {reached} (processor time)")
    off = np.abs(found["exact"] - found["one by one"]).max() / np.abs(found["one by one"]).max()
    print(f"exact against one by one: differs by at most {off:.1e} of the largest state")
    rolling = found["rolling"][:, :SHORT]
    for name, states in {"exact, bfloat16": found["exact, bfloat16"], "rolling": rolling}.items():
        mean, most, moved = change(states, found["exact"])
        print(f"{name} against exact: off by {mean:.2%} (at most {most:.1%}) of the norm; 1 - correlation {moved:.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, load {os.getloadavg()[0]:.1f}, PyTorch {torch.__version__}")
    report(models.load("smollm2-135m", device="cpu"), options.context, options.repeats)
