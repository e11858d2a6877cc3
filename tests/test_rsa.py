"""RSA against rsatoolbox, scipy and brute force; what bad input gets; what the shuffles do."""

from itertools import permutations, product
from unittest import mock

import numpy as np
import pytest
import torch
from conftest import have
from rsatoolbox.inference import boot_noise_ceiling, eval_dual_bootstrap
from rsatoolbox.model import ModelFixed
from rsatoolbox.rdm import RDMs
from rsatoolbox.rdm import compare as toolbox_compare
from rsatoolbox.util.inference_util import _dual_bootstrap
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, rankdata, spearmanr
from scipy.stats import t as student

from neuroconverge import BadInput, datasets, resampling, rsa, simulate

WEIGHTED = resampling.METHODS
TOOLBOX_NAME = {"pearson": "corr"}
PAIRS_OF_12 = 66


def rng(seed=0):
    return np.random.default_rng(seed)


def vectors(k, n, seed=0, ties=False):
    """Random RDM vectors that agree a little; with ties, of four values only."""
    shared, own = rng(seed).random(n * (n - 1) // 2), rng(seed + 1).random((k, n * (n - 1) // 2))
    values = 0.3 * shared + own
    return np.floor(3 * values) if ties else values


def names(n):
    return [f"item {i}" for i in range(n)]


def models(k=3, n=12, seed=0, ties=False, items="named", labels=None):
    labels = labels or [f"layer {i}" for i in range(k)]
    patterns = {"item": names(n) if items == "named" else items} if items else None
    return RDMs(vectors(k, n, seed, ties), rdm_descriptors={"model": labels}, pattern_descriptors=patterns)


def brain(k=4, n=12, seed=10, ties=False, items="named", labels=None):
    labels = labels or [f"person {i}" for i in range(k)]
    patterns = {"item": names(n) if items == "named" else items} if items else None
    return RDMs(vectors(k, n, seed, ties), rdm_descriptors={"subject": labels}, pattern_descriptors=patterns)


def shuffled(rdms, seed=3):
    order = rng(seed).permutation(rdms.n_cond)
    assert (order != np.arange(rdms.n_cond)).any()
    return rsa.select(rdms, [rdms.pattern_descriptors["item"][i] for i in order])


def replicate(vector, counts):
    """The RDM of a bootstrap sample, built by copying stimuli; pairs of one stimulus with its copy dropped."""
    sample = np.repeat(np.arange(len(counts)), counts)
    upper = np.triu_indices(len(sample), 1)
    keep = sample[upper[0]] != sample[upper[1]]
    return squareform(vector)[np.ix_(sample, sample)][upper][keep]


def plain(method, x, y):
    """The comparison of two vectors by definition, from scipy."""
    if method == "pearson":
        return pearsonr(x, y).statistic
    if method == "spearman":
        return spearmanr(x, y).statistic
    if method == "cosine":
        return x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    n = len(x)
    return 12 * (rankdata(x) - (n + 1) / 2) @ (rankdata(y) - (n + 1) / 2) / (n**3 - n)


# --- the same numbers as rsatoolbox, scipy and brute force ---------------------------------------------------------


@pytest.mark.parametrize("method", ["correlation", "euclidean", "sqeuclidean", "cosine", "jaccard"])
def test_rdm_is_the_distance_that_its_name_says(method):
    features = rng().random((8, 20)) > 0.5 if method == "jaccard" else rng().standard_normal((8, 20))
    made = rsa.rdm({"a": features, "b": features[:, ::-1]}, method, ids=names(8))
    assert made.rdm_descriptors["model"] == ["a", "b"]
    assert made.pattern_descriptors["item"] == names(8)
    if method == "correlation":
        assert np.allclose(made.get_matrices()[0], 1 - np.corrcoef(features), atol=1e-12)
    assert np.allclose(made.get_vectors(), pdist(features, method), atol=1e-12)


@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
@pytest.mark.parametrize("method", rsa.METHODS)
def test_compare_equals_rsatoolbox(method, ties):
    left, right = models(ties=ties), brain(ties=ties)
    ours = rsa.compare(left, right, method)
    assert ours.shape == (3, 4)
    assert np.abs(ours - toolbox_compare(left, right, TOOLBOX_NAME.get(method, method))).max() < 1e-6
    assert np.abs(ours - rsa.compare(left.get_vectors(), right.get_vectors(), method)).max() < 1e-12


@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
@pytest.mark.parametrize("n_subjects", [2, 5])
@pytest.mark.parametrize("method", rsa.METHODS)
@pytest.mark.filterwarnings("ignore:Noise ceiling for tau")
def test_noise_ceiling_equals_rsatoolbox(method, n_subjects, ties):
    subjects = brain(n_subjects, ties=ties)
    ours = rsa.noise_ceiling(subjects, method)
    assert np.abs(np.subtract(ours, boot_noise_ceiling(subjects, TOOLBOX_NAME.get(method, method)))).max() < 1e-6
    assert ours[0] < ours[1]


@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
@pytest.mark.parametrize("method", WEIGHTED)
def test_weights_equal_replicated_stimuli(method, ties):
    left, right = vectors(2, 12, 0, ties), vectors(3, 12, 10, ties)
    counts = np.vstack([rng(7).multinomial(12, np.full(12, 1 / 12), size=12), np.ones((1, 12), int)])
    weights = resampling.pair_weights(counts)
    ours = resampling.similarity(resampling.scaled(left, weights, method), resampling.scaled(right, weights, method))
    for b, count in enumerate(counts):
        for (m, x), (s, y) in product(enumerate(left), enumerate(right)):
            assert ours[b, m, s] == pytest.approx(plain(method, replicate(x, count), replicate(y, count)), abs=1e-10)


@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
def test_weighted_ranks_equal_ranks_of_replicated_pairs(ties):
    values, weights = vectors(3, 12, ties=ties), rng(1).integers(0, 5, (10, PAIRS_OF_12)).astype(float)
    made = resampling.ranks(values, weights)
    for b, k in product(range(10), range(3)):
        times = weights[b].astype(int)
        assert np.allclose(np.repeat(made[b, k], times), rankdata(np.repeat(values[k], times)), atol=1e-12)


@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_semipartial_equals_ols_residuals(method, ties):
    left, right = vectors(3, 12, 0, ties), vectors(4, 12, 10, ties)
    counts = np.vstack([np.ones((1, 12), int), rng(5).multinomial(12, np.full(12, 1 / 12), size=4)])
    weights = resampling.pair_weights(counts)
    ours = resampling.semipartial(resampling.scaled(left, weights, method), resampling.scaled(right, weights, method))
    for b, count in enumerate(counts):
        x, y = (np.array([replicate(v, count) for v in values]) for values in (left, right))
        if method == "spearman":
            x, y = rankdata(x, axis=1), rankdata(y, axis=1)
        for m in range(3):
            others = np.column_stack([np.ones(x.shape[1]), *np.delete(x, m, 0)])
            rest = x[m] - others @ np.linalg.lstsq(others, x[m], rcond=None)[0]
            wanted = [pearsonr(rest, subject).statistic for subject in y]
            assert np.allclose(ours[b, m], wanted, atol=1e-9)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_unique_variance_is_what_r_squared_loses_without_the_model(method):
    left, right = models(3), brain(4)
    table = rsa.unique_variance(left, right, method, n_boot=50)
    x, y = left.get_vectors(), right.get_vectors()
    if method == "spearman":
        x, y = rankdata(x, axis=1), rankdata(y, axis=1)

    def r_squared(predictors):
        design = np.column_stack([np.ones(x.shape[1]), *predictors])
        rest = y.T - design @ np.linalg.lstsq(design, y.T, rcond=None)[0]
        return 1 - rest.var(0) / y.var(1)

    lost = [(r_squared(x) - r_squared(np.delete(x, m, 0))).mean() for m in range(3)]
    assert np.allclose(table.unique, lost, atol=1e-10)


def test_two_factor_variance_equals_rsatoolbox():
    parts = rng().random((3, 500)) * [[2], [1], [1]]
    ours = resampling.two_factor_variance(*parts, 4, 20)
    assert np.allclose(ours, _dual_bootstrap(parts, n_rdm=4, n_pattern=20), atol=1e-14)
    raw = 4 / 3 * parts[1] + 20 / 19 * parts[2] - 80 / 57 * (parts[0] - parts[1] - parts[2])
    assert (ours > raw + 1e-9).any() and (ours < raw - 1e-9).any() and np.isclose(ours, raw).any()  # both bounds used


def toolbox_bootstrap(left, right, method, n_boot, seed=0):
    """rsatoolbox's dual bootstrap, and its samples as counts of stimuli and of subjects."""
    from rsatoolbox.inference import evaluate

    original, stimuli, subjects = evaluate.bootstrap_sample, [], []

    def recorded(data, **kwargs):
        sample, subject_index, stimulus_index = original(data, **kwargs)
        subjects.append(np.bincount(subject_index, minlength=data.n_rdm))
        stimuli.append(np.bincount(stimulus_index, minlength=data.n_cond))
        return sample, subject_index, stimulus_index

    state = np.random.get_state()
    np.random.seed(seed)
    try:
        with mock.patch.object(evaluate, "bootstrap_sample", recorded):
            result = eval_dual_bootstrap(
                [ModelFixed(str(i), left.subset("index", [i])) for i in range(left.n_rdm)],
                right,
                method=TOOLBOX_NAME.get(method, method),
                k_pattern=1,
                k_rdm=1,
                N=n_boot,
            )
    finally:
        np.random.set_state(state)
    return result, np.array(stimuli), np.array(subjects)


@pytest.mark.parametrize("method", WEIGHTED)
def test_bootstrap_equals_rsatoolbox_on_the_same_draws(method, monkeypatch):
    """Fed the very samples that rsatoolbox drew, every score and the corrected variance are the same numbers."""
    left, right = models(2), brain(4)
    result, stimuli, subjects = toolbox_bootstrap(left, right, method, n_boot=40)
    assert ((stimuli > 0).sum(1) >= 3).all()
    monkeypatch.setattr(resampling, "_counts", lambda n_boot, n, *_, **__: {12: stimuli, 4: subjects}[n])
    draws = resampling.crossed_draws(left.get_vectors(), right.get_vectors(), method, 40, rng())
    theirs = result.evaluations[:, :, 0, 0]
    for i, ours in enumerate((draws.both, draws.subjects, draws.stimuli)):
        assert np.abs(ours - theirs[..., i]).max() < 1e-10
    table = rsa.crossed_bootstrap(left, right, method, n_boot=40)
    assert np.allclose(table.se, np.sqrt(result.model_var), atol=1e-10)
    gap = rsa.differences(left, right, method=method, n_boot=40)
    half_width = (gap.high - gap.low) / 2
    assert np.allclose(half_width, student.ppf(0.975, 3) * np.sqrt(result.diff_var), atol=1e-10)
    if method in ("pearson", "cosine"):  # the ranked methods do not rank mean ranks again, and say so
        assert np.abs(draws.ceilings[2] - result.noise_ceiling[0][:, 0, 2]).max() < 1e-10


@pytest.mark.parametrize("method", ["pearson", "cosine"])
def test_ceiling_of_a_bootstrap_sample_leaves_all_copies_of_a_person_out(method):
    """By brute force. Each member of the sample counts once; rsatoolbox counts each different person once instead."""
    people = vectors(4, 12)
    counts = np.array([[1, 1, 1, 1], [2, 1, 1, 0], [0, 3, 0, 1], [4, 0, 0, 0]])
    unit = resampling.scaled(people, np.ones((1, PAIRS_OF_12)), method)
    ours = resampling.ceiling(np.repeat(unit @ unit.swapaxes(1, 2), 4, axis=0), counts)
    for count, lower in zip(counts[:3], ours, strict=False):
        sample = np.repeat(np.arange(4), count)
        pools = [unit[0][sample[sample != person]].mean(0) for person in sample]
        wanted = np.mean([plain(method, pool, people[person]) for pool, person in zip(pools, sample, strict=True)])
        assert lower == pytest.approx(wanted, abs=1e-12)
    assert np.isnan(ours[3])


def test_bootstrap_within_monte_carlo_error_of_rsatoolbox():
    """With samples of our own. The spread of the standard error over our seeds at the same number of samples is the
    Monte-Carlo error of one run; the two runs differ by less than 4.5 of their joint error (p < 1e-4 a model)."""
    left, right = models(2), brain(4)
    result, *_ = toolbox_bootstrap(left, right, "spearman", n_boot=100)
    ours = np.array([rsa.crossed_bootstrap(left, right, n_boot=100, seed=seed).se for seed in range(60)])
    spread = ours.std(0, ddof=1) * np.sqrt(1 + 1 / 60)
    assert (spread < 0.2 * ours.mean(0)).all()  # else the next line could not fail
    assert (np.abs(ours.mean(0) - np.sqrt(result.model_var)) < 4.5 * spread).all()


def test_bootstrap_table_is_the_t_interval_of_its_parts():
    left, right = models(3), brain(4)
    table = rsa.crossed_bootstrap(left, right, n_boot=200, seed=5)
    assert list(table.model) == ["layer 0", "layer 1", "layer 2"]
    assert np.allclose(table.score, rsa.compare(left, right).mean(1), atol=1e-12)
    assert np.allclose(table.high - table.score, student.ppf(0.975, 3) * table.se)
    assert np.allclose(table.score - table.low, table.high - table.score)
    assert np.allclose(table.p_zero, student.sf(table.score / table.se, 3))
    assert np.allclose((table.ceiling_low[0], table.ceiling_high[0]), rsa.noise_ceiling(right))
    assert (table.n_subjects == 4).all() and (table.n_stimuli == 12).all()
    assert table.equals(rsa.crossed_bootstrap(left, right, n_boot=200, seed=5))
    assert not table.equals(rsa.crossed_bootstrap(left, right, n_boot=200, seed=6))


def test_bootstrap_needs_no_multiple_of_its_block():
    left, right = vectors(2, 12), vectors(3, 12, 4)
    draws = resampling.crossed_draws(left, right, "spearman", resampling.BLOCK + 1, rng())
    assert draws.both.shape == (resampling.BLOCK + 1, 2)
    counts = resampling._counts(resampling.BLOCK + 1, 12, rng(), at_least=3)
    weights = resampling.pair_weights(counts)
    scored = resampling.similarity(*(resampling.scaled(v, weights, "spearman") for v in (left, right)))
    assert np.allclose(draws.stimuli, scored.mean(2), atol=1e-12)


def test_bootstrap_samples_are_those_of_drawing_with_replacement():
    counts = resampling._counts(20_000, 5, rng(), at_least=3)
    assert (counts.sum(1) == 5).all() and ((counts > 0).sum(1) >= 3).all()
    # Of the 5^5 ordered samples those with at least 3 different members: 2,800 with 3, 4 or 5 of them.
    different = [len(set(sample)) for sample in product(range(5), repeat=5)]
    for k in (3, 4, 5):
        share = different.count(k) / sum(d >= 3 for d in different)
        assert np.mean((counts > 0).sum(1) == k) == pytest.approx(share, abs=4 * np.sqrt(0.25 / 20_000))


def test_differences_are_those_of_the_scores():
    left, right = models(3), brain(4)
    table = rsa.differences(left, right, n_boot=200)
    scores = rsa.compare(left, right).mean(1)
    assert list(zip(table["first"], table.second, strict=True)) == [
        ("layer 0", "layer 1"), ("layer 0", "layer 2"), ("layer 1", "layer 2"),
    ]  # fmt: skip
    assert np.allclose(table.difference, [scores[0] - scores[1], scores[0] - scores[2], scores[1] - scores[2]])
    assert np.allclose(table.p, 2 * student.sf(abs(table.difference) / table.se, 3))
    assert np.allclose(table.high - table.difference, student.ppf(0.975, 3) * table.se)
    back = rsa.differences(left, right, [("layer 2", "layer 0")], n_boot=200)
    assert back.difference[0] == pytest.approx(-table.difference[1])
    assert back.p[0] == pytest.approx(table.p[1]) and back.low[0] == pytest.approx(-table.high[1])


def test_region_difference_is_that_of_the_scores_with_the_same_samples_in_both():
    """Its variance is that of the difference between two bootstraps that drew the same people and stimuli."""
    left, right = models(3), brain(4)
    table = rsa.region_difference(left, right, OTHER, n_boot=100, seed=2)
    assert np.allclose(table.difference, (rsa.compare(left, right) - rsa.compare(left, OTHER)).mean(1), atol=1e-12)
    here, there = (rsa.crossed_draws(left, region, n_boot=100, seed=2) for region in (right, OTHER))
    parts = [np.var(getattr(here, f) - getattr(there, f), axis=0, ddof=1) for f in ("both", "subjects", "stimuli")]
    assert np.allclose(table.se**2, _dual_bootstrap(np.array(parts), n_rdm=4, n_pattern=12), atol=1e-14)
    assert np.allclose(table.p, 2 * student.sf(abs(table.difference) / table.se, 3))
    back = rsa.region_difference(left, OTHER, right, n_boot=100, seed=2)
    assert np.allclose(back.difference, -table.difference) and np.allclose(back.se, table.se)


# --- permutation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [None, list("aabbb")], ids=["all", "in groups"])
def test_permutation_p_equals_full_enumeration(groups):
    """Five stimuli have 120 orders (12 within groups): the exact p is a count. Pearson, since ranks tie."""
    left, right = vectors(2, 5, 1), vectors(3, 5, 4)
    orders = [np.array(o) for o in permutations(range(5))]
    if groups:
        orders = [o for o in orders if all(groups[i] == groups[j] for i, j in enumerate(o))]
    null = []
    for order in orders:
        moved = np.array([squareform(squareform(v)[np.ix_(order, order)]) for v in right])
        null.append([np.mean([pearsonr(x, y).statistic for y in moved]) for x in left])
    null = np.array(null)
    score = null[next(i for i, order in enumerate(orders) if (order == np.arange(5)).all())]
    table = rsa.permutation_test(left, right, "pearson", n_perm=4000, groups=groups)
    assert np.allclose(table.score, score, atol=1e-12)
    units = (null - null.mean(0)) / null.std(0)
    own = (score - null.mean(0)) / null.std(0)
    for column, reference, observed in (("p", null, score), ("p_max", units.max(1)[:, None], own)):
        exact = (reference >= observed - 1e-9).mean(0)
        assert np.allclose(table[column], exact, atol=4.5 * np.sqrt(0.25 / 4000) + 1 / 4000)
    assert np.allclose(table.null_mean, null.mean(0), atol=4.5 * null.std(0).max() / np.sqrt(4000))


def test_a_category_effect_is_significant_but_not_within_categories():
    """Forty data sets in which model and people share six categories and nothing else; then also the items."""
    kinds = np.repeat(np.arange(6), 6)

    def p_values(seed, beyond):
        draw = rng(seed)
        centres, items = draw.standard_normal((6, 30))[kinds], draw.standard_normal((36, 30))
        model = rsa.rdm({"categories": centres + items})
        others = [items if beyond else 1.5 * draw.standard_normal((36, 30)) for _ in range(4)]
        people = rsa.rdm({f"p{i}": centres + x + draw.standard_normal((36, 30)) for i, x in enumerate(others)})
        free, within = (rsa.permutation_test(model, people, n_perm=199, groups=g) for g in (None, kinds))
        assert free.score[0] == within.score[0] and abs(free.null_mean[0]) < 0.05 < within.null_mean[0]
        return free.p[0], within.p[0]

    free, within = np.array([p_values(seed, beyond=False) for seed in range(40)]).T
    assert (free == 1 / 200).all()
    assert (within <= 0.05).sum() <= 8  # binomial(40, .05): 99.9 % of the time
    assert np.median(within) == pytest.approx(0.5, abs=0.25)
    assert (np.array([p_values(seed, beyond=True) for seed in range(5)]) == 1 / 200).all()


def test_p_max_corrects_for_the_number_of_models():
    """Best of 20 noise models, 150 data sets: the plain p of the best is far too small, p_max is not."""
    best, best_max = [], []
    for seed in range(150):
        table = rsa.permutation_test(vectors(20, 10, 1000 + seed), rng(seed).random((2, 45)), n_perm=99, seed=seed)
        row = table.loc[table.score.idxmax()]
        best.append(row.p), best_max.append(row.p_max)
    assert np.mean(np.array(best) <= 0.05) > 0.3
    assert np.sum(np.array(best_max) <= 0.05) <= 17  # binomial(150, .05): 99.9 % of the time


# --- choosing a layer --------------------------------------------------------------------------------------------


def test_nested_choice_shows_the_bias_of_the_naive_one():
    """Fifteen layers of pure noise: the naive best is positive in each of 20 data sets, the nested one around 0."""
    found = [rsa.nested_choice(rng(s).random((15, 190)), rng(99 + s).random((4, 190)), seed=s) for s in range(20)]
    naive, nested = (np.array([f[key] for f in found]) for key in ("naive", "nested"))
    assert (naive > 0.05).all()
    assert abs(nested.mean()) < 3.3 * nested.std(ddof=1) / np.sqrt(20)
    assert (naive - nested > 0.04).all()


def test_nested_choice_keeps_a_real_effect():
    study = simulate.rsa_study(mixture=(0, 0, 1, 0), n_subjects=4, n_stimuli=40, seed=1)
    found = rsa.nested_choice(study.models, study.brain)
    assert found["layer"] == "model 2" and found["share"] == 1
    assert found["naive"] == pytest.approx(found["nested"]) and found["nested"] > 0.3


@pytest.mark.parametrize("n_layers", [14, 15, 16])
def test_nested_choice_with_as_many_layers_as_pairs(n_layers):
    """Halves of 12 stimuli have 15 pairs: 15 layers make a square array, which is still no matrix."""
    found = rsa.nested_choice(models(n_layers), brain(4), n_splits=5)
    assert found["naive"] > found["nested"]


def test_groups_are_joined_by_item():
    by_item = {name: i % 3 for i, name in enumerate(names(12))}
    wanted = rsa.permutation_test(models(), brain(), n_perm=99, groups=list(by_item.values()))
    assert wanted.equals(rsa.permutation_test(models(), brain(), n_perm=99, groups=dict(reversed(by_item.items()))))
    with pytest.raises(BadInput, match="groups: no group for item 3"):
        rsa.permutation_test(models(), brain(), groups={k: v for k, v in by_item.items() if k != "item 3"})
    with pytest.raises(BadInput, match="groups: 12 labels, 1 of them empty"):
        rsa.permutation_test(models(), brain(), groups=[*"abcabcabcab", None])
    with pytest.raises(BadInput, match="groups: no group holds two items, so none can change places"):
        rsa.permutation_test(models(), brain(), groups=range(12))
    with pytest.raises(BadInput, match="groups: no group for items without names"):
        rsa.permutation_test(V12, B12, groups=by_item)


# --- identity ----------------------------------------------------------------------------------------------------

OTHER = brain(4, seed=30)
JOINED = {
    "compare": lambda m, b: rsa.compare(m, b),
    "crossed_bootstrap": lambda m, b: rsa.crossed_bootstrap(m, b, n_boot=50),
    "differences": lambda m, b: rsa.differences(m, b, n_boot=50),
    "unique_variance": lambda m, b: rsa.unique_variance(m, b, n_boot=50),
    "permutation_test": lambda m, b: rsa.permutation_test(m, b, n_perm=50),
    "nested_choice": lambda m, b: rsa.nested_choice(m, b, n_splits=10),
    "region_difference": lambda m, b: rsa.region_difference(m, b, OTHER, n_boot=50),
}


def numbers(result):
    if isinstance(result, dict):
        result = [result[key] for key in ("naive", "nested", "share")]
    return np.asarray(result.select_dtypes("number") if hasattr(result, "select_dtypes") else result, float)


@pytest.mark.parametrize("function", JOINED)
def test_shuffled_rows_are_joined_on_ids(function):
    left, right = models(3), brain(4)
    wanted = numbers(JOINED[function](left, right))
    assert np.allclose(numbers(JOINED[function](shuffled(left), right)), wanted, atol=1e-12)
    named = {"rdm_descriptors": left.rdm_descriptors, "pattern_descriptors": left.pattern_descriptors}
    misnamed = RDMs(shuffled(left).get_vectors(), **named)
    assert not np.allclose(numbers(JOINED[function](misnamed, right)), wanted, atol=1e-6)  # so the shuffle matters


def test_shuffled_brain_gives_the_same_comparison_and_ceiling():
    left, right = models(3), brain(4)
    assert np.allclose(rsa.compare(left, shuffled(right)), rsa.compare(left, right), atol=1e-12)
    assert np.allclose(rsa.noise_ceiling(shuffled(right)), rsa.noise_ceiling(right), atol=1e-12)


def test_second_region_is_joined_on_ids_too():
    left, right = models(3), brain(4)
    wanted = numbers(rsa.region_difference(left, right, OTHER, n_boot=50))
    assert np.allclose(numbers(rsa.region_difference(left, right, shuffled(OTHER), n_boot=50)), wanted, atol=1e-12)


def test_stack_select_pick_and_average_keep_identity():
    one, two = models(1, seed=1), models(1, seed=2)
    stacked = rsa.stack({"one": one, "two": shuffled(two)})
    assert np.allclose(stacked.get_vectors(), np.vstack([one.get_vectors(), two.get_vectors()]))
    assert stacked.rdm_descriptors["model"] == ["one", "two"] and stacked.pattern_descriptors["item"] == names(12)
    some = rsa.select(two, ["item 7", "item 0", "item 3"])
    matrix = two.get_matrices()[0]
    assert np.allclose(some.get_vectors()[0], [matrix[7, 0], matrix[7, 3], matrix[0, 3]])
    assert some.pattern_descriptors["item"] == ["item 7", "item 0", "item 3"]
    three = models(3)
    assert np.array_equal(rsa.pick(three, ["layer 2", "layer 0"]).get_vectors(), three.get_vectors()[[2, 0]])
    assert list(rsa.pick(three, ["layer 2", "layer 0"]).rdm_descriptors["model"]) == ["layer 2", "layer 0"]
    sessions = brain(4, labels=["a", "b", "a", "b"])
    means = rsa.average(sessions)
    assert list(means.rdm_descriptors["subject"]) == ["a", "b"]
    raw = sessions.get_vectors()
    assert np.allclose(means.get_vectors(), [(raw[0] + raw[2]) / 2, (raw[1] + raw[3]) / 2])


# --- kinds of arrays ---------------------------------------------------------------------------------------------

FORMS = {
    "list": lambda v: v.tolist(),
    "float32": lambda v: v.astype(np.float32),
    "not contiguous": lambda v: np.repeat(v, 2, axis=1)[:, ::2],
    "Fortran order": np.asfortranarray,
    "torch float32": lambda v: torch.from_numpy(v).float(),
    "torch float64 with gradient": lambda v: torch.from_numpy(v).requires_grad_(),
    "matrices": lambda v: np.array([squareform(row) for row in v]),
    "torch matrices": lambda v: torch.from_numpy(np.array([squareform(row) for row in v])),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_array_gives_the_same_answer(form):
    left, right = vectors(3, 12), vectors(4, 12, 10)
    wanted = rsa.crossed_bootstrap(left, right, n_boot=20)
    got = rsa.crossed_bootstrap(FORMS[form](left), FORMS[form](right), n_boot=20)
    assert np.allclose(numbers(got), numbers(wanted), atol=1e-5)
    assert isinstance(rsa.compare(FORMS[form](left), FORMS[form](right)), np.ndarray)


def test_one_rdm_as_vector_and_as_matrix():
    left, right = vectors(1, 12)[0], vectors(4, 12, 10)
    assert rsa.compare(left, right).shape == (1, 4)
    assert np.allclose(rsa.compare(squareform(left), right), rsa.compare(left, right), atol=1e-12)
    rounded = 1 - np.corrcoef(rng().standard_normal((12, 20)))  # its diagonal is zero but for rounding
    assert rounded.diagonal().any()
    wanted = rsa.compare(rounded[np.triu_indices(12, 1)], right)
    assert np.allclose(rsa.compare(rounded, right), wanted, atol=1e-12)
    assert np.allclose(rsa.compare(rounded[None], right), wanted, atol=1e-12)


@pytest.mark.parametrize(("k", "n"), [(3, 3), (6, 4), (15, 6)])
def test_as_many_rdms_as_pairs_are_no_matrix(k, n):
    """Vectors (15, 15) of 15 subjects and 6 stimuli look like one matrix of 15 stimuli."""
    left, right = models(2, n), brain(k, n)
    assert rsa.compare(left, right).shape == (2, k)
    assert rsa.compare(models(k, n), right).shape == (k, k)
    assert np.allclose(rsa.compare(left, right), toolbox_compare(left, right, "spearman"))
    if n > 3:
        assert np.allclose(rsa.noise_ceiling(right), boot_noise_ceiling(right, "spearman"))
        assert rsa.crossed_bootstrap(left, right, "pearson", n_boot=20).n_stimuli[0] == n


def test_torch_keeps_double_precision():
    features = 1e6 + rng().random((6, 10))
    assert np.allclose(
        rsa.rdm(torch.from_numpy(features)).get_vectors(), rsa.rdm(features).get_vectors(), rtol=0, atol=1e-12
    )


def test_rdm_from_float32_and_torch():
    features = rng().standard_normal((6, 10))
    wanted = rsa.rdm(features).get_vectors()
    for form in (np.float32(features), features[:, ::-1], torch.from_numpy(features).float(), features.tolist()):
        assert np.allclose(rsa.rdm(form).get_vectors(), wanted, atol=1e-6)
    assert np.allclose(rsa.rdm(torch.from_numpy(features).bfloat16()).get_vectors(), wanted, atol=2e-2)


# --- what bad input gets -----------------------------------------------------------------------------------------

V12, B12 = vectors(3, 12), vectors(4, 12, 10)


def with_value(values, value):
    values = values.copy()
    values[-1, 5] = value
    return values


BAD = {
    # identity
    "different items": (
        lambda f: f(models(items=[*names(11), "other"]), brain()), r"model.*missing \['item 11'\].*other"),
    "more items": (lambda f: f(models(n=13), brain()), r"model.*unexpected \['item 12'\]"),
    "an id twice in one": (lambda f: f(models(items=[*names(11), "item 0"]), brain()), r"model.*item"),
    "an id twice in both": (
        lambda f: f(models(items=["item 0", *names(11)]), brain(items=["item 0", *names(11)])),
        r"item.*more than once.*item 0"),
    "only the brain named": (lambda f: f(models(items=None), brain()), r"model.*only one.*names"),
    "only the model named": (lambda f: f(models(), brain(items=None)), r"model.*only one.*names"),
    "bare array and RDMs": (lambda f: f(V12, brain()), r"model, brain.*bare array"),
    "RDMs and bare array": (lambda f: f(models(), B12), r"model, brain.*bare array"),
    "unnamed of different size": (lambda f: f(models(items=None), brain(n=11, items=None)), r"model.*12 stimuli.*11"),
    "arrays of different size": (lambda f: f(V12, vectors(4, 11)), r"model, brain.*12 and 11"),
    # values
    "NaN in the model": (lambda f: f(with_value(V12, np.nan), B12), r"model.*NaN.*\[2, 5\]"),
    "NaN in the brain": (lambda f: f(V12, with_value(B12, np.nan)), r"brain.*NaN.*\[3, 5\]"),
    "NaN at the same place": (lambda f: f(with_value(V12, np.nan), with_value(B12, np.nan)), r"model.*NaN"),
    "infinite": (lambda f: f(V12, with_value(B12, np.inf)), r"brain.*infinite"),
    "constant model": (lambda f: f(np.vstack([V12, np.ones((1, 66))]), B12), r"model.*RDM 3 is constant"),
    "constant by rounding only": (lambda f: f(np.full((1, 66), 0.1), B12), r"model.*constant"),
    "constant brain": (lambda f: f(V12, np.vstack([np.zeros((1, 66)), B12])), r"brain.*RDM 0 is constant"),
    "text": (lambda f: f([["a", "b", "c"]] * 2, B12), r"model.*numbers"),
    "empty": (lambda f: f(np.zeros((0, 66)), B12), r"model.*empty"),
    # shapes
    "two stimuli": (lambda f: f(np.array([[0.3], [0.4]]), np.array([[0.1], [0.2]])), r"model"),
    "two named stimuli": (lambda f: f(models(2, n=2), brain(2, n=2)), r"model.*2 stimuli"),
    "no upper triangle": (lambda f: f(rng().random((2, 7)), rng(1).random((4, 7))), r"model|rdm.*7"),
    "matrices that are not square": (lambda f: f(rng().random((2, 6, 5)), rng(1).random((4, 6, 5))), r"model"),
    "a matrix that is no RDM": (lambda f: f(rng().random((2, 6, 6)), rng(1).random((4, 6, 6))), r"model"),
    # choices
    "unknown method": (lambda f: f(V12, B12, method="kendall"), r"method.*'kendall'.*spearman"),
}  # fmt: skip
PAIRED = {
    "compare": rsa.compare,
    "crossed_bootstrap": lambda m, b, **kw: rsa.crossed_bootstrap(m, b, n_boot=10, **kw),
    "permutation_test": lambda m, b, **kw: rsa.permutation_test(m, b, n_perm=10, **kw),
    "unique_variance": lambda m, b, **kw: rsa.unique_variance(m, b, n_boot=10, **kw),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("function", PAIRED)
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case, function):
    call, message = BAD[case]
    if case == "unknown method" and function == "unique_variance":
        message = r"method.*'kendall'.*spearman, pearson"
    with pytest.raises(BadInput, match=f"(?s){message}"):
        call(PAIRED[function])


TWICE = brain(3, labels=["ana", "ben", "ana"])
REFUSED = {
    "one subject, bootstrap": (lambda: rsa.crossed_bootstrap(models(), brain(1)), "brain.*one subject"),
    "one subject, differences": (lambda: rsa.differences(models(), brain(1)), "brain.*one subject"),
    "one subject, ceiling": (lambda: rsa.noise_ceiling(brain(1)), "brain.*one subject"),
    "subject twice, bootstrap": (lambda: rsa.crossed_bootstrap(models(), TWICE), "brain.*more than once.*average"),
    "subject twice, differences": (lambda: rsa.differences(models(), TWICE), "brain.*more than once.*average"),
    "subject twice, unique": (lambda: rsa.unique_variance(models(), TWICE), "brain.*more than once.*average"),
    "subject twice, ceiling": (lambda: rsa.noise_ceiling(TWICE), "brain.*more than once.*average"),
    "no ceiling method": (lambda: rsa.noise_ceiling(brain(), "tau"), "method.*'tau'"),
    "no bootstrap of tau-a": (lambda: rsa.crossed_bootstrap(models(), brain(), "tau-a"), "method.*'tau-a'"),
    "ceiling of no triangle": (lambda: rsa.noise_ceiling(rng().random((3, 7))), "brain|rdm"),
    "ceiling with NaN": (lambda: rsa.noise_ceiling(with_value(B12, np.nan)), "brain.*NaN"),
    "unknown pair": (lambda: rsa.differences(models(), brain(), [("layer 0", "layer 9")]), "pairs.*layer 9.*layer 0"),
    "no pairs": (lambda: rsa.differences(models(), brain(), []), "pairs|models"),
    "one model has no pairs": (lambda: rsa.differences(models(1), brain()), "pairs|models"),
    "two models of one name": (lambda: rsa.differences(models(2, labels=["x", "x"]), brain()), "models.*x"),
    "no bootstraps": (lambda: rsa.crossed_bootstrap(models(), brain(), n_boot=1), "n_boot.*1"),
    "no permutations": (lambda: rsa.permutation_test(models(), brain(), n_perm=0), "n_perm.*0"),
    "no splits": (lambda: rsa.nested_choice(models(), brain(), n_splits=0), "n_splits.*0"),
    "groups too few": (lambda: rsa.permutation_test(models(), brain(), groups=[1] * 11), "groups.*11.*12"),
    "too few to halve": (lambda: rsa.nested_choice(models(n=5), brain(n=5)), "layers.*5 stimuli"),
    "the same model twice": (
        lambda: rsa.unique_variance(np.vstack([V12, 2 * V12[:1] + 1]), B12), "models.*model 0 and model 3.*same"),
    "models that fall together in a sample": (
        lambda: rsa.unique_variance(vectors(3, 4), vectors(4, 4, 10), n_boot=100), "models"),
    "too coarse a model": (
        lambda: rsa.crossed_bootstrap(np.eye(1, 66), B12, n_boot=200), "models.*constant in some bootstrap"),
    "features of two stimuli": (lambda: rsa.rdm(rng().random((2, 5))), "features.*2 stimuli"),
    "features of one dimension": (lambda: rsa.rdm(rng().random(5)), r"features.*\(5,\)"),
    "features with NaN": (lambda: rsa.rdm({"x": with_value(V12, np.nan)}), r"features\['x'\].*NaN.*\[2, 5\]"),
    "a flat row": (lambda: rsa.rdm(np.vstack([V12, np.ones((1, 66))])), "features.*row 3.*variance"),
    "a row flat but for rounding": (lambda: rsa.rdm(np.vstack([V12[:, :7], np.full((1, 7), 0.1)])), "features.*row 3"),
    "a zero row": (lambda: rsa.rdm(np.vstack([V12, np.zeros((1, 66))]), "cosine"), "features.*row 3"),
    "no features": (lambda: rsa.rdm({}), "features.*empty"),
    "features of two sizes": (lambda: rsa.rdm({"a": V12, "b": B12}), "features.*number of stimuli"),
    "too few ids": (lambda: rsa.rdm(B12, ids=["a", "b", "c"]), "ids.*3 labels for 4"),
    "an id twice": (lambda: rsa.rdm(B12, ids=["a", "b", "c", "a"]), "ids.*more than once.*a"),
    "unknown distance": (lambda: rsa.rdm(B12, "mahalanobis"), "method.*'mahalanobis'.*euclidean"),
    "unknown item": (lambda: rsa.select(models(), ["item 1", "item 2", "itm 3"]), "items.*itm 3"),
    "too few items": (lambda: rsa.select(models(), ["item 1", "item 2"]), "items.*2"),
    "the same item twice": (lambda: rsa.select(models(), ["item 1", "item 1", "item 2"]), "items.*item 1"),
    "unknown model": (lambda: rsa.pick(models(), ["layer 1", "layer 7"]), "models.*layer 7.*layer 0"),
    "other people in the other region": (
        lambda: rsa.region_difference(models(), brain(), brain(labels=[*"abcd"])),
        "other.*same subjects",
    ),
    "fewer people in the other region": (lambda: rsa.region_difference(models(), brain(), brain(3)), "other.*subjects"),
    "other items in the other region": (
        lambda: rsa.region_difference(models(), brain(), brain(items=[*names(11), "x"])),
        "items differ.*item 11|items differ.*x",
    ),
    "a person twice in the other region": (
        lambda: rsa.region_difference(models(), brain(3), TWICE),
        "brain|other.*more than once",
    ),
    "unknown descriptor": (lambda: rsa.average(models(), "session"), "by.*'session'.*model"),
    "stack of sets": (lambda: rsa.stack({"a": models(1), "b": models(2)}), "b.*2 RDMs"),
    "stack of nothing": (lambda: rsa.stack({}), "sets"),
    "stack of other items": (lambda: rsa.stack({"a": models(1), "b": models(1, n=11)}), "b.*items differ.*item 11"),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", REFUSED)
def test_what_else_is_refused_by_name(case):
    call, message = REFUSED[case]
    with pytest.raises(BadInput, match=f"(?s){message}"):
        call()


def test_one_subject_and_one_model_where_that_is_enough():
    assert rsa.compare(models(1), brain(1)).shape == (1, 1)
    assert len(rsa.permutation_test(models(1), brain(1), n_perm=20)) == 1
    table = rsa.crossed_bootstrap(models(1), brain(2), n_boot=50)
    assert np.isfinite(numbers(table)).all()
    alone = rsa.unique_variance(models(1), brain(3), n_boot=50)
    assert alone.semipartial[0] == pytest.approx(rsa.compare(models(1), brain(3)).mean())


# --- real people -------------------------------------------------------------------------------------------------


def test_real_sessions_are_not_people_and_real_numbers_equal_rsatoolbox():
    data = have(datasets.images92)
    published, sessions = data.rdms["published_models"], data.rdms["IT4"]
    with pytest.raises(BadInput, match=r"brain.*more than once"):
        rsa.crossed_bootstrap(published, sessions)
    people = rsa.average(sessions)
    assert people.n_rdm == 4
    assert np.allclose(rsa.compare(published, people), toolbox_compare(published, people, "spearman"), atol=1e-10)
    assert np.allclose(rsa.noise_ceiling(people), boot_noise_ceiling(people, "spearman"), atol=1e-10)
    table = rsa.crossed_bootstrap(published, people, n_boot=200).set_index("model")
    assert table.score.idxmax() == "animacy" and table.p_zero["animacy"] < 0.02
    assert np.allclose(rsa.compare(shuffled(published), people), rsa.compare(published, people), atol=1e-12)
