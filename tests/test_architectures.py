"""Networks beside networks: what SIMULATED ones of known relation show, and what is said of real ones."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from conftest import have

from neuroconverge import BadInput, experiments, similarity, simulate
from neuroconverge.datasets import objectome, objectome_activations


def table(name):
    return experiments.recorded(name)[0]


# SIMULATED networks ---------------------------------------------------------------------------------------


def test_two_views_share_what_they_are_told_to():
    alone = [similarity.cka(*simulate.two_views(300, noise=0, shared=shared)) for shared in (0, 0.5, 0.9, 1)]
    assert abs(alone[0]) < 0.05 and np.all(np.diff(alone) > 0.05) and alone[3] > 0.8
    X, Y = simulate.two_views(40, (3, 7), seed=1)
    assert X.shape == (40, 3) and Y.shape == (40, 7)
    np.testing.assert_array_equal(X, simulate.two_views(40, (3, 7), seed=1)[0])
    signal, noisy = (np.std(simulate.two_views(2000, noise=noise)[0]) for noise in (0, 2))
    assert signal == pytest.approx(1, abs=0.15) and noisy == pytest.approx(np.sqrt(signal**2 + 4), rel=0.05)


@pytest.mark.parametrize("wrong", [{"n_stimuli": 2}, {"widths": (0, 3)}, {"noise": -1}, {"shared": 1.5}])
def test_two_views_refuse(wrong):
    with pytest.raises(BadInput, match="two_views: wanted 3 stimuli"):
        simulate.two_views(**wrong)


def test_every_measure_recovers_the_planted_relation_and_two_find_one_in_noise():
    found = table("similarity_planted_SIMULATED").set_index(["truth", "measure", "noise"]).sort_index()
    for measure in experiments.get("similarity_planted_SIMULATED")()["measure"].unique():
        one, nothing = (found.loc[(truth, measure)] for truth in ("one space", "nothing shared"))
        assert one["score"].is_monotonic_decreasing and one.loc[0.0, "low"] > nothing.loc[0.0, "high"]
    noise = table("similarity_width_SIMULATED").set_index(["measure", "width"])["score"]
    assert noise["CKA, plain"][1000] > 0.85 and noise["Procrustes"][1000] > 0.95
    for measure in ("CKA, debiased", "RSA", "predictivity"):
        assert noise[measure].abs().max() < 0.02
    assert np.allclose(noise["mutual k-NN"], 10 / 91, atol=0.02)


def test_neighbours_at_fixed_k_fade_with_n_and_at_a_fixed_share_do_not():
    found = table("similarity_neighbours_SIMULATED").set_index(["rule", "n_stimuli"])["score"]
    assert found["k = 10"].is_monotonic_decreasing and found["k = 10"][3200] < 0.3 * found["k = 10"][100]
    assert np.ptp(found["k = n / 20"]) < 0.03


def test_a_search_finds_more_in_more_layers_and_calibration_takes_it_away():
    found = table("similarity_search_SIMULATED")
    assert found["score"].is_monotonic_increasing and found["score"].iloc[-1] > 1.5 * found["chance"].iloc[-1]
    assert (found["score"] < found["threshold"]).all() and found["found"].max() <= 0.17
    assert np.allclose(found["half"], found["half_chance"], atol=0.02)


# Real networks --------------------------------------------------------------------------------------------


def test_activations_of_three_image_networks():
    networks = have(objectome_activations)
    assert {name: one.shape for name, one in networks.items()} == {
        "alexnet": (2400, 4096),
        "resnet18": (2400, 512),
        "resnet34": (2400, 512),
    }
    assert networks["alexnet"].index.equals(networks["resnet34"].index)
    assert 0.6 < similarity.cka(networks["resnet18"], networks["alexnet"]) < 0.75


@pytest.mark.parametrize(
    "broken, message",
    [
        ({"values": np.zeros((3, 2))}, r"shape \(3, 2\), 2400 images; wanted \(2400, 4096\)"),
        ({"values": np.full((2400, 4096), np.nan, "f4")}, "row 0 holds NaN"),
        ({"names": ["a/b.png"] * 2400}, "shape .*, 1 images"),
        ({"leave_out": True}, "lacks stimulus_path"),
    ],
)
def test_broken_activations_are_named(tmp_path, monkeypatch, broken, message):
    path = tmp_path / "alexnet_objectome240.nc"
    with h5py.File(path, "w") as store:
        store[objectome.VALUES] = broken.get("values", np.zeros((2400, 4096), "f4"))
        if not broken.get("leave_out"):
            store["stimulus_path"] = broken.get("names", [f"x/{i}.png" for i in range(2400)])
    monkeypatch.setattr(objectome, "fetch", lambda name: path)
    with pytest.raises(BadInput, match=message):
        objectome.objectome_activations.__wrapped__()


def test_image_networks_agree_at_any_number_of_pictures_and_neighbours_fade():
    found = table("image_networks").set_index(["measure", "pair", "n_images"]).sort_index()
    assert (found.loc[["CKA, debiased", "RSA"], "score"].between(0.65, 0.85)).all()
    assert found["null"].groupby("measure").max()[["CKA, debiased", "RSA"]].max() < 0.03
    for _, part in found.loc["mutual k-NN", "score"].groupby("pair"):
        assert part.is_monotonic_decreasing


def test_pairs_of_networks_are_all_there():
    found = table("network_pairs")
    names = set(found["first"]) | set(found["second"])
    assert len(names) == 10 and len(found) == 3 * 45 and (found["p"] >= 0.01).all()
    assert (found["calibrated"].eq(0) == (found["score"] <= found["threshold"])).all()
