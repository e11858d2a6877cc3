"""The Natural Scenes Dataset as laid out by its authors, for those who signed its agreement. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

from ..checks import one_of
from ..errors import BadInput, DataUnavailable

# Values of streams.nii.gz; 0 is cortex outside the streams, -1 is no cortex.
STREAMS = {"early": 1, "midventral": 2, "midlateral": 3, "midparietal": 4, "ventral": 5, "lateral": 6, "parietal": 7}
BETAS = "betas_fithrf_GLMdenoise_RR"
SCALE = 300  # the files hold int16: per cent signal change times 300
N_IMAGES = 73_000
TRIALS_AT_ONCE = 50


@dataclass(frozen=True)
class NSD:
    """Responses of one person to photographs: one row an image, mean over its repeats.

    ``images``: table indexed by ``id_73k`` (1-based, as in responses.tsv), with ``nsd_id`` (0-based, the row in the
    stimulus file: always ``id_73k`` - 1), ``coco_id``, ``coco_split``, ``shared1000`` and ``n_repeats``.
    ``responses``: table (images, voxels) float32 with the same index, in standard deviations within a session.
    ``voxels``: table of ``i``, ``j``, ``k`` (position in the func1pt8mm volume, from 0) and ``stream``.
    """

    subject: int
    images: pd.DataFrame
    responses: pd.DataFrame
    voxels: pd.DataFrame


def nsd(
    path: str | Path,
    subject: int,
    streams: Sequence[str] = ("ventral",),
    sessions: Sequence[int] | None = None,
    repeats: int = 3,
    betas: str = BETAS,
) -> NSD:
    """Read one person from a folder that holds ``nsddata`` and ``nsddata_betas`` as published (Allen 2022).

    ``subject``: 1 to 8. ``streams``: regions of the streams atlas. ``sessions``: from 1; all in responses.tsv by
    default. ``repeats``: keep images seen at least so often in these sessions. Each voxel is z-scored within each
    session, over all its trials, before repeats are averaged, as Doerig 2025 does. One session is in memory at a time
    (hdf5: fifty trials; nii.gz: about 1 GB). A voxel that is constant or not finite in a session is left out.

    Needs, under ``path``: nsddata/ppdata/subjXX/behav/responses.tsv and func1pt8mm/roi/streams.nii.gz,
    nsddata/experiments/nsd/nsd_stim_info_merged.csv, and nsddata_betas/ppdata/subjXX/func1pt8mm/<betas>/
    betas_sessionNN.hdf5 (needs h5py) or .nii.gz. Axes of the hdf5 are taken as trials, k, j, i (MATLAB's order read
    by h5py), or trials, i, j, k if only that fits the atlas: not checked on the original files here. Raises
    DataUnavailable for a file that is missing, BadInput for one that does not fit.
    """
    root = Path(path)
    if subject not in range(1, 9):
        raise BadInput(f"subject: got {subject!r}; wanted 1 to 8")
    for stream in streams:
        one_of(stream, "streams", tuple(STREAMS))
    folder = root / "nsddata" / "ppdata" / f"subj{subject:02d}"
    trials = _trials(folder / "behav" / "responses.tsv", sessions)
    atlas = np.asanyarray(nibabel.load(_there(folder / "func1pt8mm" / "roi" / "streams.nii.gz")).dataobj)
    mask = np.isin(atlas, [STREAMS[stream] for stream in streams])
    if not mask.any():
        raise BadInput(f"streams.nii.gz: no voxel of {', '.join(streams)}")
    shown = trials["73KID"].value_counts().sort_index()
    kept = shown.index[shown >= repeats]
    if kept.empty:
        raise BadInput(f"repeats: no image was seen {repeats} times in these sessions; at most {shown.max()} times")
    where = root / "nsddata_betas" / "ppdata" / f"subj{subject:02d}" / "func1pt8mm" / betas
    mean, usable = _averages(where, trials, kept, mask)
    if not usable.any():
        raise BadInput(f"{betas}: every voxel of {', '.join(streams)} is constant or not finite in some session")
    names = {value: name for name, value in STREAMS.items()}
    voxels = pd.DataFrame(np.argwhere(mask)[usable], columns=["i", "j", "k"])
    voxels["stream"] = [names[value] for value in atlas[mask][usable].astype(int)]
    images = _images(root, kept).assign(n_repeats=shown[kept].to_numpy())
    return NSD(subject, images, pd.DataFrame(mean[:, usable], index=images.index), voxels)


def _averages(where: Path, trials: pd.DataFrame, kept: pd.Index, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each kept image (images, voxels), z-scored by session, and which voxels vary in all of them."""
    total, usable, count = np.zeros((len(kept), mask.sum())), np.ones(mask.sum(), bool), np.zeros(len(kept))
    for session, part in trials.groupby("SESSION"):
        values = _session(where, int(session), mask, len(part))
        spread = values.std(0)
        usable &= np.isfinite(spread) & (np.ptp(values, axis=0) > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = (values - values.mean(0)) / spread
        rows = kept.get_indexer(part["73KID"])
        np.add.at(total, rows[rows >= 0], values[rows >= 0])
        np.add.at(count, rows[rows >= 0], 1)
    return (total / count[:, None]).astype(np.float32), usable


def _there(file: Path) -> Path:
    if not file.is_file():
        raise DataUnavailable(
            f"{file.name} is not in {file.parent}. The Natural Scenes Dataset is given by its authors to those who "
            "sign its agreement (naturalscenesdataset.org); keep the folders as they are and name the folder that "
            "holds nsddata and nsddata_betas."
        )
    return file


def _trials(file: Path, sessions: Sequence[int] | None) -> pd.DataFrame:
    """One row a trial, in the order of the betas: SESSION (from 1) and 73KID (1 to 73,000)."""
    table = pd.read_csv(_there(file), sep="\t")
    lacking = [name for name in ("SESSION", "73KID") if name not in table]
    if lacking:
        raise BadInput(f"responses.tsv: lacks the column {', '.join(lacking)}")
    bad = np.flatnonzero(~table["73KID"].between(1, N_IMAGES))
    if len(bad):
        raise BadInput(f"responses.tsv: 73KID is {table['73KID'][bad[0]]} in row {bad[0]}; wanted 1 to {N_IMAGES:,}")
    there = sorted(table["SESSION"].unique())
    if sessions is not None:
        unknown = sorted(set(sessions) - set(there))
        if unknown:
            raise BadInput(f"sessions: {unknown[0]} is not in responses.tsv, which has {there[0]} to {there[-1]}")
        table = table[table["SESSION"].isin(list(sessions))]
    return table[["SESSION", "73KID"]].astype(int)


def _session(folder: Path, session: int, mask: np.ndarray, n_trials: int) -> np.ndarray:
    """Per cent signal change (trials, voxels of the mask) of one session."""
    file = folder / f"betas_session{session:02d}.hdf5"
    if not file.is_file() and (folder / f"betas_session{session:02d}.nii.gz").is_file():
        file = file.with_suffix(".nii.gz")
    _there(file)
    values = _from_hdf5(file, mask) if file.suffix == ".hdf5" else _from_nifti(file, mask)
    if len(values) != n_trials:
        raise BadInput(f"{file.name}: {len(values)} trials, but responses.tsv has {n_trials} in session {session}")
    return values / SCALE


def _from_hdf5(file: Path, mask: np.ndarray) -> np.ndarray:
    try:
        import h5py
    except ImportError:
        raise ImportError("reading hdf5 needs h5py: pip install 'neuroconverge[ieeg]', or use nii.gz") from None
    with h5py.File(file, "r") as store:
        if "betas" not in store or store["betas"].ndim != 4:
            raise BadInput(f"{file.name}: wanted a data set 'betas' of four dimensions")
        betas, reversed_ = store["betas"], mask.transpose(2, 1, 0)
        if betas.shape[1:] not in (reversed_.shape, mask.shape):
            raise BadInput(f"{file.name}: volumes of shape {betas.shape[1:]}; the atlas has {mask.shape}")
        out = np.empty((len(betas), mask.sum()), np.float32)
        turned = betas.shape[1:] == reversed_.shape
        for start in range(0, len(betas), TRIALS_AT_ONCE):
            block = betas[start : start + TRIALS_AT_ONCE]
            out[start : start + len(block)] = (block.transpose(0, 3, 2, 1) if turned else block)[:, mask]
        return out


def _from_nifti(file: Path, mask: np.ndarray) -> np.ndarray:
    image = nibabel.load(file)
    if image.ndim != 4 or image.shape[:3] != mask.shape:
        raise BadInput(f"{file.name}: shape {image.shape}; wanted {mask.shape} by trials")
    return np.asanyarray(image.dataobj)[mask].T.astype(np.float32)


def _images(root: Path, kept: pd.Index) -> pd.DataFrame:
    file = _there(root / "nsddata" / "experiments" / "nsd" / "nsd_stim_info_merged.csv")
    table = pd.read_csv(file)
    lacking = [name for name in ("nsdId", "cocoId", "cocoSplit", "shared1000") if name not in table]
    if lacking:
        raise BadInput(f"{file.name}: lacks the column {', '.join(lacking)}")
    table = table.set_index("nsdId")
    ids = kept.to_numpy() - 1  # responses.tsv counts from 1, the stimulus table from 0
    missing = np.setdiff1d(ids, table.index)
    if len(missing) or not table.index.is_unique:
        what = f"lacks nsdId {missing[0]}" if len(missing) else "has an nsdId twice"
        raise BadInput(f"{file.name}: {what}")
    rows = table.loc[ids, ["cocoId", "cocoSplit", "shared1000"]].set_axis(
        ["coco_id", "coco_split", "shared1000"], axis=1
    )
    out = rows.reset_index(names="nsd_id").set_index(pd.Index(kept, name="id_73k"))
    return out.assign(shared1000=out["shared1000"].astype(bool))
