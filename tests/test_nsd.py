"""The layout of the Natural Scenes Dataset, on a small copy that the test makes: SIMULATED volumes, real file names."""

from __future__ import annotations

import nibabel
import numpy as np
import pandas as pd
import pytest

from neuroconverge import BadInput, DataUnavailable
from neuroconverge.datasets.nsd import BETAS, STREAMS, nsd

SHAPE, TRIALS = (4, 5, 6), 12
IDS = np.array([3, 73_000, 41, 900, 7, 12])  # 73KID, each shown twice a session
AT = [(1, 1, 1), (2, 3, 4), (3, 4, 5)]  # ventral voxels


@pytest.fixture
def made(tmp_path):
    """Two sessions (hdf5, nii.gz) with a pattern for each image, other scale and offset in each; an early voxel."""
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((len(IDS), len(AT)))
    atlas = np.full(SHAPE, -1, np.int16)
    for voxel in AT:
        atlas[voxel] = STREAMS["ventral"]
    atlas[0, 0, 0] = STREAMS["early"]
    person = tmp_path / "nsddata/ppdata/subj02"
    betas = tmp_path / "nsddata_betas/ppdata/subj02/func1pt8mm" / BETAS
    for folder in (person / "behav", person / "func1pt8mm/roi", tmp_path / "nsddata/experiments/nsd", betas):
        folder.mkdir(parents=True)
    nibabel.save(nibabel.Nifti1Image(atlas, np.eye(4)), person / "func1pt8mm/roi/streams.nii.gz")
    rows = []
    for session, (gain, offset) in {1: (1500, 400), 2: (600, -900)}.items():
        order = rng.permutation(np.repeat(np.arange(len(IDS)), 2))
        volumes = rng.integers(-50, 50, (*SHAPE, TRIALS)).astype(np.int16)
        for v, voxel in enumerate(AT):
            volumes[voxel] = np.round(gain * patterns[order, v] + offset)
        if session == 1:
            with h5py.File(betas / "betas_session01.hdf5", "w") as store:
                store["betas"] = volumes.T  # as MATLAB writes it
        else:
            nibabel.save(nibabel.Nifti1Image(volumes, np.eye(4)), betas / "betas_session02.nii.gz")
        rows += [{"SUBJECT": 2, "SESSION": session, "73KID": IDS[i]} for i in order]
    pd.DataFrame(rows).to_csv(person / "behav/responses.tsv", sep="\t", index=False)
    info = pd.DataFrame({"nsdId": IDS - 1, "cocoId": IDS * 10, "cocoSplit": "train2017", "shared1000": IDS == 41})
    info.to_csv(tmp_path / "nsddata/experiments/nsd/nsd_stim_info_merged.csv")
    return tmp_path, patterns


def test_planted_patterns_come_back_with_their_ids(made):
    path, patterns = made
    data = nsd(path, 2)
    assert data.images.index.tolist() == data.responses.index.tolist() == sorted(IDS)
    assert (data.images["nsd_id"] == data.images.index - 1).all() and set(data.images["n_repeats"]) == {4}
    assert (data.images["coco_id"] == data.images.index * 10).all() and data.images["shared1000"].sum() == 1
    assert data.voxels[["i", "j", "k"]].to_numpy().tolist() == [list(v) for v in AT]
    wanted = (patterns - patterns.mean(0)) / patterns.std(0)
    np.testing.assert_allclose(data.responses.loc[IDS].to_numpy(), wanted, atol=0.01)
    assert set(nsd(path, 2, ("early", "ventral")).voxels["stream"]) == {"early", "ventral"}
    assert set(nsd(path, 2, sessions=[2], repeats=2).images["n_repeats"]) == {2}


def test_a_dead_voxel_is_left_out_and_nothing_else(made):
    path, patterns = made
    file = path / "nsddata_betas/ppdata/subj02/func1pt8mm" / BETAS / "betas_session02.nii.gz"
    volumes = np.asanyarray(nibabel.load(file).dataobj).copy()
    volumes[AT[1]] = 7
    nibabel.save(nibabel.Nifti1Image(volumes, np.eye(4)), file)
    data = nsd(path, 2)
    assert data.voxels[["i", "j", "k"]].to_numpy().tolist() == [list(AT[0]), list(AT[2])]
    assert np.isfinite(data.responses.to_numpy()).all() and data.responses.shape == (len(IDS), 2)


def edit(path, name, **columns):
    separator = "\t" if name.endswith("tsv") else ","
    table = pd.read_csv(path / name, sep=separator)
    table.assign(**columns).to_csv(path / name, sep=separator, index=False)


TRIALS_FILE = "nsddata/ppdata/subj02/behav/responses.tsv"
INFO_FILE = "nsddata/experiments/nsd/nsd_stim_info_merged.csv"


@pytest.mark.parametrize(
    "file, columns, message",
    [
        (TRIALS_FILE, {"73KID": 0}, "73KID is 0 in row 0; wanted 1 to 73,000"),
        (TRIALS_FILE, {"SESSION": 1}, "12 trials, but responses.tsv has 24 in session 1"),
        (INFO_FILE, {"nsdId": IDS}, "lacks nsdId 2"),
    ],
)
def test_ids_and_trials_that_do_not_fit_are_named(made, file, columns, message):
    edit(made[0], file, **columns)
    with pytest.raises(BadInput, match=message):
        nsd(made[0], 2)


def test_missing_files_and_wrong_arguments(made):
    path, _ = made
    with pytest.raises(BadInput, match="subject: got 9"):
        nsd(path, 9)
    with pytest.raises(BadInput, match="wanted one of early"):
        nsd(path, 2, ["V1"])
    with pytest.raises(BadInput, match="3 is not in responses.tsv, which has 1 to 2"):
        nsd(path, 2, sessions=[3])
    with pytest.raises(BadInput, match="no image was seen 5 times in these sessions; at most 4"):
        nsd(path, 2, repeats=5)
    with pytest.raises(BadInput, match="no voxel of lateral"):
        nsd(path, 2, ["lateral"])
    with pytest.raises(DataUnavailable, match="responses.tsv is not in .*agreement"):
        nsd(path, 1)
    (path / "nsddata_betas/ppdata/subj02/func1pt8mm" / BETAS / "betas_session01.hdf5").unlink()
    with pytest.raises(DataUnavailable, match="betas_session01.hdf5"):
        nsd(path, 2)


def test_volumes_of_another_shape_are_refused(made):
    h5py = pytest.importorskip("h5py")
    path, _ = made
    file = path / "nsddata_betas/ppdata/subj02/func1pt8mm" / BETAS / "betas_session01.hdf5"
    with h5py.File(file, "w") as store:
        store["betas"] = np.zeros((TRIALS, 3, 3, 3), np.int16)
    with pytest.raises(BadInput, match=r"volumes of shape \(3, 3, 3\); the atlas has \(4, 5, 6\)"):
        nsd(path, 2)
