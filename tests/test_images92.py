import re
from importlib import import_module

import numpy as np
import pytest
import scipy.io
from conftest import have

from neuroconverge import BadInput, datasets, rsa

module = import_module("neuroconverge.datasets.images92")  # the package exports its function of the same name
UPPER = np.triu_indices(92, 1)
PEOPLE = {
    "IT4": ["BE", "BE", "KO", "KO", "SN", "SN", "TI", "TI"],
    "IT15": [f"p{i:02d}" for i in range(1, 16)],
    "EVC15": [f"p{i:02d}" for i in range(1, 16)],
    "monkeyIT": ["two monkeys, 674 cells"],
    "behaviour": [f"subject{i}" for i in range(1, 17)],
    "published_models": ["animacy", "FaceBodyManmadeNatobj", "monkeyIT", "EVA", "HMAX", "V1", "Silhouette", "RADON"],
}


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROCONVERGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def rdms(name):
    return have(lambda: datasets.images92().rdms[name])


def test_pictures_and_the_three_columns_that_are_no_categories():
    data = have(datasets.images92)
    assert data.ids == [f"image_{i:02d}" for i in range(1, 93)]
    arrays = [np.array(image) for image in data.images]
    assert {(array.shape, array.dtype.name) for array in arrays} == {((175, 175, 3), "uint8")}
    assert len({array.tobytes() for array in arrays}) == len(data.kinds) == 92
    table = data.categories
    assert table.shape == (92, 12) and table.index.tolist() == data.ids and set(np.unique(table)) == {0, 1}
    assert [name for name in table if name not in module.CATEGORY_COLUMNS] == ["rand24", "rand48", "other48"]
    assert len(set(module.CATEGORY_COLUMNS) & set(table)) == len(module.CATEGORY_COLUMNS) == 9
    assert (table["rand48"] == 1 - table["other48"]).all() and (table["animate"] == 1 - table["inanim"]).all()
    cut = table.groupby(data.kinds).nunique().max() > 1  # a column that cuts through a kind; the apes do by right
    assert set(cut[cut].index) == {"rand24", "rand48", "other48", "monkeyape"}
    for kind, column in {"human": "human", "face": "face", "bodypart": "body", "natural": "natObj"}.items():
        assert table[column].tolist() == [kind in name.split() for name in data.kinds]


def test_five_raters_wrote_one_sentence_for_each_picture():
    raters = datasets.captions92()
    assert [len(captions) for captions in raters] == [92] * 5
    assert all(re.fullmatch(r"[A-Z][^.\n\t]+[^.\s]\.", caption) for captions in raters for caption in captions)
    assert min(len(set(captions)) for captions in raters) >= 90
    assert min(len(set(five)) for five in zip(*raters, strict=True)) > 1
    words = re.findall(r"[\w'-]+", " ".join(sum(raters, [])).lower())
    assert len(datasets.caption_nouns()) > 100 and datasets.caption_nouns() < set(words)


@pytest.mark.parametrize("name", PEOPLE)
def test_every_set_names_its_people_and_its_images(name):
    data, vectors, described = have(datasets.images92), rdms(name).get_vectors(), rdms(name).rdm_descriptors
    assert list(data.rdms) == list(PEOPLE)
    assert list(described["model" if name == "published_models" else "subject"]) == PEOPLE[name]
    assert name != "IT4" or list(described["session"]) == [1, 2] * 4
    assert np.unique(vectors, axis=0).shape == (len(PEOPLE[name]), 4186) and np.isfinite(vectors).all()
    assert list(rdms(name).pattern_descriptors["item"]) == data.ids
    with pytest.raises(BadInput, match="'IT5'; wanted one of IT4, IT15"):
        data.rdms["IT5"]


def test_rows_follow_the_order_of_the_images():
    source = scipy.io.loadmat(have(datasets.fetch, "rsatoolbox92/Kriegeskorte_Neuron2008_supplementalData.mat"))
    monkey, human = (entry["RDM"] for entry in source["RDMs_mIT_hIT_fig1"][0])
    four, fifteen = (rdms(name).get_matrices().mean(0) for name in ("IT4", "IT15"))
    assert rsa.compare(four[UPPER][None], human).item() > 0.99
    assert rsa.compare(four, fifteen).item() > 0.4
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(92)
        assert abs(rsa.compare(four[order][:, order], fifteen).item()) < 0.1
    for same in (rdms("monkeyIT"), rdms("published_models").subset("model", "monkeyIT")):
        np.testing.assert_array_equal(same.get_vectors(), monkey)


def test_it_sets_the_animate_apart_and_early_visual_cortex_does_not():
    animate = have(datasets.images92).categories["animate"].to_numpy()
    between = (animate[:, None] != animate)[UPPER]
    means = {name: rdms(name).get_vectors().mean(0) for name in ("IT4", "IT15", "monkeyIT", "behaviour", "EVC15")}
    ratio = {name: mean[between].mean() / mean[~between].mean() for name, mean in means.items()}
    assert ratio.pop("EVC15") < 1.05 < min(ratio.values())
    np.testing.assert_array_equal(rdms("published_models").subset("model", "animacy").get_vectors()[0], between)


@pytest.mark.parametrize("region, part", [("IT", 1), ("IT", 2), ("EVC", 1), ("EVC", 2)])
def test_the_78_images_are_noise_and_the_92_are_not(region, part):
    noise = have(datasets.images78, region, part)
    assert noise.get_vectors().shape == (15, 78 * 77 / 2)
    assert not np.array_equal(noise.get_vectors(), have(datasets.images78, region, 3 - part).get_vectors())
    assert rsa.noise_ceiling(noise)[0] < 0.07 < 0.2 < rsa.noise_ceiling(rdms(f"{region}15"))[0]
    for wrong in (("V1", part), (region, 3)):
        with pytest.raises(BadInput, match="region, part: got .* wanted 'IT' or 'EVC', and 1 or 2"):
            datasets.images78(*wrong)


CORRUPTED = {  # what is wrong, and how to do it to two good RDMs of four images
    "not symmetric": lambda good: good + np.tri(4, k=-1),
    "the diagonal is not zero": lambda good: good + np.eye(4),
    "has negative": lambda good: -good,
    "12 dissimilarities are not finite": lambda good: np.where(good > 0, np.nan, good),
    "1 dissimilarities are not finite": lambda good: good[:1, 0, 1:] / [1, 0.5, 0],
    "has negative dissimilarities, down to -1": lambda good: -good[:, 0, 1:],
    "is not square": lambda good: good[:, :3],
    "wanted": lambda good: good[:, 0],
    "shape": lambda good: good[0, 0, 1:],
}


@pytest.mark.parametrize("problem", CORRUPTED)
def test_what_is_no_rdm_is_refused_by_name(problem):
    good = np.ones((2, 4, 4)) - np.eye(4)
    assert module.to_rdms(good, "IT4").get_vectors().shape == (2, 6)
    with np.errstate(divide="ignore"), pytest.raises(BadInput, match=f"^IT4.*{problem}"):
        module.to_rdms(CORRUPTED[problem](good), "IT4")
