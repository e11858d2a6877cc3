"""Fits of sparse embeddings: the planted truth, the null, seeds, checkpoints."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import have

from neuroconverge import BadInput, datasets, simulate, triplets, triplets_fit

pytestmark = pytest.mark.usefixtures("one_thread")
N_DIMS = 20
KEPT = 40


@pytest.fixture(scope="module")
def truth():
    return simulate.sparse_embedding(200, N_DIMS, seed=1)


@pytest.fixture(scope="module")
def choices(truth):
    return simulate.triplet_choices(truth, 80_000, temperature=1.0, seed=2)


@pytest.fixture(scope="module")
def fit(choices):
    return triplets.fit_embedding(choices, n_dims=KEPT)


def test_planted_dimensions_are_recovered(truth, fit):
    found = triplets.match_dimensions(truth, fit.weights, n_perm=50)
    assert found["r"].min() >= 0.9
    assert abs(fit.n_dims - N_DIMS) <= 0.1 * N_DIMS
    assert (found["r"] > found["null_95"]).all()


def test_accuracy_reaches_the_true_ceiling(truth, fit):
    new = simulate.triplet_choices(truth, 20_000, seed=3)
    assert triplets.accuracy(fit.weights, new).accuracy >= triplets.accuracy(truth, new).accuracy - 0.015


def test_probabilities_are_calibrated(truth, fit):
    """Weights are log odds: the held-out scale undoes what the penalty shrank."""
    norm = [np.linalg.norm(one.to_numpy() @ one.to_numpy().T) for one in (fit.weights, truth)]
    assert norm[0] / norm[1] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("temperature", "off"), [(0.5, 0.2), (2.0, 0.1)])
def test_temperature_scales_the_weights_and_not_the_dimensions(truth, temperature, off):
    """Where choices are nearly certain, some dimensions come in two parts: counted within a fifth, not a tenth."""
    warm = triplets.fit_embedding(simulate.triplet_choices(truth, 80_000, temperature, seed=4), n_dims=KEPT)
    assert triplets.match_dimensions(truth, warm.weights)["r"].min() >= 0.85
    assert abs(warm.n_dims - N_DIMS) <= off * N_DIMS
    size = [np.linalg.norm(one.to_numpy() @ one.to_numpy().T) for one in (warm.weights, truth)]
    assert temperature * size[0] / size[1] == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("n_dims", [5, 10])
def test_other_numbers_of_dimensions_are_found(n_dims):
    true = simulate.sparse_embedding(200, n_dims, density=0.3, seed=5)
    fit = triplets.fit_embedding(simulate.triplet_choices(true, 60_000, seed=6), n_dims=KEPT)
    assert abs(fit.n_dims - n_dims) <= max(1, 0.1 * n_dims)


def test_random_choices_leave_nothing():
    guesses = simulate.triplet_choices(np.zeros((200, 1)), 30_000, temperature=np.inf, seed=7)
    fit = triplets.fit_embedding(guesses, n_dims=KEPT)
    assert fit.n_dims <= 3
    assert fit.path["log_likelihood"].max() < -np.log(3) + 0.003
    new = simulate.triplet_choices(np.zeros((200, 1)), 20_000, temperature=np.inf, seed=8)
    assert abs(triplets.accuracy(fit.weights.to_numpy(), new).accuracy - 1 / 3) < 0.012


def test_result_is_sorted_non_negative_named_and_the_same_again(choices, fit):
    weights = fit.weights.to_numpy()
    assert (weights >= 0).all() and (np.diff(weights.sum(0)) <= 0).all()
    assert list(fit.weights.index) == choices.ids
    assert fit.path["n_dims"].is_monotonic_decreasing and fit.path["n_dims"].iloc[fit.chosen] >= fit.n_dims
    again = triplets.fit_embedding(choices.rows, 200, KEPT)
    assert np.allclose(again.weights, weights)


def test_order_of_pair_and_of_rows_does_not_matter_much(choices, fit):
    rows = choices.rows[:, [1, 0, 2]]
    turned = triplets.fit_embedding(rows, 200, KEPT)
    assert triplets.match_dimensions(fit.weights.to_numpy(), turned.weights.to_numpy())["r"].min() > 0.99


@pytest.mark.parametrize(("n", "share"), [(1000, 0.2), (10_000, 0.1), (40_000, 0.05)])
def test_a_thousand_triplets_are_held_out_within_bounds(truth, n, share):
    rows = simulate.triplet_choices(truth, n, seed=9).rows
    assert len(triplets_fit._held_out(rows, 200)) / n == pytest.approx(share, rel=0.05)


def test_all_judgements_of_a_triplet_are_held_out_together(truth):
    choices = simulate.triplet_choices(truth, 1000, seed=9, repeats=3)
    held = triplets_fit._held_out(choices.rows, 200)
    inside = np.isin(np.arange(len(choices)), held)
    assert not set(choices.keys[inside]) & set(choices.keys[~inside])
    assert 0.15 < inside.mean() < 0.25


def test_dimensions_come_back_from_other_seeds(truth, choices):
    many = triplets.fit_many(choices, n_dims=KEPT, seeds=(0, 1))
    assert many.reproducibility.min() > 0.9 and len(many.reproducibility) == many.best.n_dims
    new = simulate.triplet_choices(truth, 20_000, seed=10)
    together = triplets.accuracy(many.combined, new).accuracy
    assert together >= triplets.accuracy(many.best.weights, new).accuracy - 0.003
    mean = sum(fit.weights.to_numpy() @ fit.weights.to_numpy().T for fit in many.fits) / 2
    assert np.allclose(many.combined.to_numpy() @ many.combined.to_numpy().T, mean)
    with pytest.raises(BadInput, match="at least 2"):
        triplets.fit_many(choices, seeds=[3])


def test_an_interrupted_fit_goes_on_and_ends_the_same(truth, tmp_path, monkeypatch):
    choices = simulate.triplet_choices(truth, 20_000, seed=11)
    descend, calls = triplets_fit._Problem.descend, []

    def counts(self, *arguments, **keywords):
        calls.append(1)
        return descend(self, *arguments, **keywords)

    monkeypatch.setattr(triplets_fit._Problem, "descend", counts)
    whole = triplets.fit_embedding(choices, n_dims=KEPT)
    total = len(calls)
    calls.clear()
    file = tmp_path / "fit.safetensors"

    def dies(self, *arguments, **keywords):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return descend(self, *arguments, **keywords)

    monkeypatch.setattr(triplets_fit._Problem, "descend", dies)
    with pytest.raises(KeyboardInterrupt):
        triplets.fit_embedding(choices, n_dims=KEPT, checkpoint=file)
    before = len(calls)
    resumed = triplets.fit_embedding(choices, n_dims=KEPT, checkpoint=file)
    assert len(calls) - before < total - 4  # what was done is not done again
    assert np.allclose(resumed.weights, whole.weights) and np.allclose(resumed.path, whole.path)
    assert [one.name for one in tmp_path.iterdir()] == ["fit.safetensors"]
    with pytest.raises(BadInput, match="belongs to other choices"):
        triplets.fit_embedding(choices, n_dims=KEPT, seed=1, checkpoint=file)
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(BadInput, match="cannot be read"):
        triplets.fit_embedding(choices, n_dims=KEPT, checkpoint=file)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n_objects": None}, "number of objects"),
        ({"n_objects": 3}, "objects 0 to 2"),
        ({"n_dims": 0}, "at least 1"),
        ({"l1_share": 2}, "0 to 1"),
    ],
)
def test_bad_arguments_are_refused(choices, arguments, says):
    with pytest.raises(BadInput, match=says):
        triplets.fit_embedding(choices.rows, **{"n_objects": 200, **arguments})


def test_too_few_triplets_are_refused():
    with pytest.raises(BadInput, match="at least 20"):
        triplets.fit_embedding(np.tile([[0, 1, 2], [1, 2, 3]], (50, 1)), 4)


def test_matching_dimensions():
    values = pd.DataFrame(np.random.default_rng(0).random((50, 4)), index=[f"o{i}" for i in range(50)])
    shuffled = values[[2, 0, 3, 1]].sample(frac=1, random_state=1)
    found = triplets.match_dimensions(values, shuffled)
    assert list(found["matched"]) == [0, 1, 2, 3] and np.allclose(found["r"], 1)
    fewer = triplets.match_dimensions(values.assign(flat=1.0), shuffled[[3]])
    assert fewer["r"].notna().sum() == 1 and fewer.loc["flat", "matched"] is None
    with pytest.raises(BadInput, match="do not match"):
        triplets.match_dimensions(values, shuffled.iloc[1:])


def test_gradient_is_that_of_autograd(choices):
    problem = triplets_fit._Problem(choices.rows[:500], np.arange(20), 200, 0.2, "cpu")
    weights = torch.rand(200, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    first, second, odd = (weights[torch.tensor(column.copy())] for column in choices.rows[20:500].T)
    dots = torch.stack([(first * second).sum(1), (first * odd).sum(1), (second * odd).sum(1)])
    (-torch.log_softmax(dots, 0)[0].sum()).backward()
    with torch.no_grad():
        assert torch.allclose(problem._gradient(weights), weights.grad, atol=1e-4)


def test_results_cannot_be_changed(fit):
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.seed = 3


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_agrees_with_cpu(choices, fit):
    gpu = triplets.fit_embedding(choices, n_dims=KEPT, device="cuda")
    assert gpu.n_dims == fit.n_dims and triplets.match_dimensions(fit.weights, gpu.weights)["r"].min() > 0.99


@pytest.mark.slow
def test_real_choices_reach_58_percent_on_choices_they_never_saw():
    """Human choices: at most 60 dimensions, chosen on held-out training choices alone."""
    fit = triplets.fit_embedding(have(datasets.things_training), n_dims=60)
    found = triplets.accuracy(fit.weights, datasets.things_triplets("test"))
    assert found.accuracy >= 0.585 and 5 <= fit.n_dims <= 60
    best = triplets.match_dimensions(fit.weights, datasets.spose(66), n_perm=10)
    assert (best["r"] > best["null_95"]).mean() > 0.9
