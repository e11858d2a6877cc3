"""SIMULATED studies: the truth that is planted is the truth that RSA recovers, and nothing planted is nothing found.

Every bound on a rate is a binomial quantile: the test fails once in a thousand seeds if the rate is as claimed, and
the seeds are fixed. What the bootstrap over stimuli does when all stimuli are alike is in benchmarks/README.md.
"""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import binom

from neuroconverge import BadInput, rsa, simulate


def rejected_between(n, rate):
    return binom.ppf([0.0005, 0.9995], n, rate)


# --- the generator -----------------------------------------------------------------------------------------------


def test_study_has_names_shapes_and_says_that_it_is_simulated():
    study = simulate.rsa_study(mixture=(1, 0, 0.5), n_subjects=5, n_stimuli=12, seed=3)
    assert study.models.rdm_descriptors["model"] == ["model 0", "model 1", "model 2"]
    assert study.brain.rdm_descriptors["subject"] == [f"simulated {i}" for i in range(1, 6)]
    assert study.models.pattern_descriptors["item"] == study.brain.pattern_descriptors["item"]
    assert len(set(study.brain.pattern_descriptors["item"])) == 12
    assert study.models.get_vectors().shape == (3, 66) and study.brain.get_vectors().shape == (5, 66)
    assert "SIMULATED" in simulate.rsa_study.__doc__ and "SIMULATED" in simulate.SimulatedStudy.__doc__


def test_seed_alone_decides():
    one, same, other = (simulate.rsa_study(seed=seed) for seed in (4, 4, 5))
    assert np.array_equal(one.brain.get_vectors(), same.brain.get_vectors())
    assert np.array_equal(one.models.get_vectors(), same.models.get_vectors())
    # A new seed is new stimuli and new subjects: nothing carries over.
    assert abs(rsa.compare(one.models, other.models)).max() < 0.15
    state = np.random.get_state()[1].copy()
    simulate.rsa_study()
    assert np.array_equal(np.random.get_state()[1], state)


def test_subjects_respond_to_the_features_given():
    """Twelve copies of the features at the noise that was asked for, in units of the features, whatever their scale."""
    features, ids = np.random.default_rng(0).standard_normal((30, 15)), [f"s{i}" for i in range(30)]
    exact = simulate.subjects(features, 3, noise=0, subject_sd=0, ids=ids)
    assert np.allclose(exact.get_vectors(), rsa.rdm(features).get_vectors(), atol=1e-12)
    assert exact.pattern_descriptors["item"] == ids
    assert exact.rdm_descriptors["subject"] == ["simulated 1", "simulated 2", "simulated 3"]
    one, scaled = (simulate.subjects(scale * features, 12, ids=ids, seed=4).get_vectors() for scale in (1, 100))
    assert np.allclose(one, scaled, atol=1e-9)
    assert np.ptp(one, axis=0).min() > 0  # nobody is a copy of another
    people = simulate.subjects(features, 12, ids=ids, seed=4)
    assert rsa.compare(rsa.rdm(features, ids=ids), people).mean() > 0.3
    shuffled = np.random.default_rng(1).permutation(features)
    assert abs(rsa.compare(rsa.rdm(shuffled, ids=ids), people).mean()) < 0.1
    assert "SIMULATED" in simulate.subjects.__doc__


def test_without_noise_and_differences_all_subjects_are_the_same():
    study = simulate.rsa_study(mixture=(1,), noise=0, subject_sd=0)
    assert rsa.noise_ceiling(study.brain) == pytest.approx((1, 1))
    assert rsa.compare(study.models, study.brain) == pytest.approx(1)


def test_noise_and_individual_differences_lower_the_ceiling():
    for name, other in (("noise", "subject_sd"), ("subject_sd", "noise")):
        studies = [simulate.rsa_study(**{name: x, other: 0}, seed=1) for x in (0.0, 0.7, 1.5)]
        lower = [rsa.noise_ceiling(study.brain)[0] for study in studies]
        assert lower[0] > lower[1] + 0.05 > lower[2] + 0.1, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": np.ones(5)}, "features"),
        ({"features": [[1, 2, np.nan]] * 4}, "features.*NaN"),
        ({"n_subjects": 0}, "subject"),
        ({"noise": -1}, "negative noise"),
        ({"subject_sd": -0.1}, "negative"),
        ({"ids": ["a", "b"]}, "ids.*2 labels for 5"),
        ({"ids": ["a", "b", "c", "d", "a"]}, "ids.*more than once"),
    ],
)
def test_bad_arguments_of_subjects_are_named(arguments, message):
    with pytest.raises(BadInput, match=message):
        simulate.subjects(**{"features": np.random.default_rng(0).random((5, 4)), **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_stimuli": 2}, "stimuli"),
        ({"n_subjects": 0}, "subject"),
        ({"n_dims": 0}, "dimension"),
        ({"noise": -1}, "negative"),
        ({"subject_sd": -0.1}, "negative"),
        ({"mixture": ()}, "mixture.*empty"),
        ({"mixture": (1, np.nan)}, "mixture.*NaN"),
        ({"mixture": ((1, 0),)}, "mixture.*1 dimension"),
        ({"mixture": "one"}, "mixture.*numbers"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(BadInput, match=message):
        simulate.rsa_study(**arguments)


# --- planted truth -----------------------------------------------------------------------------------------------


def test_planted_model_is_found_and_the_other_is_not():
    for seed in range(5):
        study = simulate.rsa_study(mixture=(1, 0), n_subjects=8, n_stimuli=40, seed=seed)
        table = rsa.crossed_bootstrap(study.models, study.brain, n_boot=300, seed=seed).set_index("model")
        assert table.score["model 0"] > 0.3 and table.p_zero["model 0"] < 1e-4
        assert abs(table.score["model 1"]) < 0.1 and table.p_zero["model 1"] > 0.05
        assert table.p_ceiling["model 1"] < 0.001
        shuffles = rsa.permutation_test(study.models, study.brain, n_perm=499, seed=seed).set_index("model")
        assert shuffles.p["model 0"] == shuffles.p_max["model 0"] == 1 / 500
        gap = rsa.differences(study.models, study.brain, n_boot=300, seed=seed)
        assert gap.low[0] > 0 and gap.p[0] < 0.001


def test_unique_variance_goes_to_the_model_that_earned_it():
    """Model 2 is a noisy copy of model 0: it agrees with the brain, but holds nothing of its own."""
    for seed in range(5):
        study = simulate.rsa_study(mixture=(1, 1, 0), n_subjects=8, n_stimuli=40, noise=0.5, seed=seed)
        planted = study.models.get_vectors()
        jitter = np.random.default_rng(seed).standard_normal(planted.shape[1])
        copy = planted[0] + 0.7 * planted[0].std() * jitter
        table = rsa.unique_variance(np.vstack([planted[:2], copy]), study.brain.get_vectors(), n_boot=300, seed=seed)
        alone = rsa.compare(copy, study.brain.get_vectors()).mean()
        assert alone > 0.25 and abs(table.semipartial[2]) < 0.05 and table.unique[2] < 0.01 and table.p_zero[2] > 0.05
        assert (table.semipartial[:2] > 0.2).all() and (table.p_zero[:2] < 0.001).all()
        assert (table.low[:2] > 0).all() and (table.unique[:2] > 0.04).all()


def test_heavier_weights_score_higher():
    study = simulate.rsa_study(mixture=(1, 0.7, 0.4, 0), n_subjects=15, n_stimuli=92, subject_sd=0.2, seed=2)
    scores = rsa.compare(study.models, study.brain).mean(1)
    assert (np.diff(scores) < -0.02).all() and abs(scores[3]) < 0.05


# --- error rates -------------------------------------------------------------------------------------------------


def stand_out_study(seed, n_subjects=12, n_stimuli=36, n_dims=20):
    """SIMULATED: model 0 is planted, model 1 is not, and some stimuli stand out from all others.

    Each stimulus has a strength of its own, and distances are Euclidean: a strong stimulus is far from all. Here
    stimuli differ in how much they matter, which is what a bootstrap over stimuli can see.
    """
    rng = np.random.default_rng(seed)
    spaces = rng.standard_normal((2, n_stimuli, n_dims)) * np.exp(0.25 * rng.standard_normal((2, n_stimuli, 1)))
    gains = np.exp(0.5 * rng.standard_normal((n_subjects, 1, n_dims)))
    subjects = gains * spaces[0] + 2 * rng.standard_normal((n_subjects, n_stimuli, n_dims))
    return np.array([pdist(space) for space in spaces]), np.array([pdist(subject) for subject in subjects])


def alike_study(seed, mixture=(1, 0), n_subjects=4, n_stimuli=20):
    study = simulate.rsa_study(mixture=mixture, n_subjects=n_subjects, n_stimuli=n_stimuli, seed=seed)
    return study.models.get_vectors(), study.brain.get_vectors()


def tables(make, n, seed, **arguments):
    return [rsa.crossed_bootstrap(*make(seed + i, **arguments), n_boot=150, seed=i) for i in range(n)]


def true_scores(make, n=600, **arguments):
    return np.mean([rsa.compare(*make(10_000 + i, **arguments)).mean(1) for i in range(n)], axis=0)


def test_interval_covers_and_p_zero_rejects_at_their_rates_when_stimuli_differ():
    n = 100
    found, truth = tables(stand_out_study, n, seed=0), true_scores(stand_out_study)
    assert truth[0] > 0.3 and abs(truth[1]) < 0.02
    covered = np.sum([(t.low <= truth) & (truth <= t.high) for t in found], axis=0)
    low, high = rejected_between(n, 0.95)
    assert (low <= covered).all() and (covered <= high).all(), covered
    rejected = sum(t.p_zero[1] <= 0.05 for t in found)
    low, high = rejected_between(n, 0.05)
    assert low <= rejected <= high, rejected
    assert sum(t.p_zero[0] <= 0.05 for t in found) > 0.9 * n


@pytest.mark.parametrize("mixture", [(1, 0), (0, 0)], ids=["another model planted", "nothing planted"])
def test_interval_and_p_zero_never_claim_too_much_when_stimuli_are_alike(mixture):
    """Here the bootstrap over stimuli is too wide (benchmarks/README.md): bounds on one side only."""
    found, truth = tables(alike_study, 100, seed=500, mixture=mixture), true_scores(alike_study, mixture=mixture)
    covered = np.sum([(t.low <= truth) & (truth <= t.high) for t in found], axis=0)
    assert (covered >= binom.ppf(0.001, 100, 0.95)).all(), covered
    assert sum(t.p_zero[1] <= 0.05 for t in found) <= binom.ppf(0.999, 100, 0.05)


@pytest.mark.parametrize("world", ["nothing planted", "another model planted", "stimuli that stand out"])
def test_permutation_test_rejects_a_true_null_five_times_in_a_hundred(world):
    make, arguments = {
        "nothing planted": (alike_study, {"mixture": (0, 0)}),
        "another model planted": (alike_study, {"mixture": (1, 0)}),
        "stimuli that stand out": (stand_out_study, {"n_subjects": 4}),
    }[world]
    n = 400
    rejected = sum(rsa.permutation_test(*make(2000 + i, **arguments), n_perm=99, seed=i).p[1] <= 0.05 for i in range(n))
    low, high = rejected_between(n, 0.05)
    assert low <= rejected <= high, rejected
