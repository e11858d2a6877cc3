"""Intracranial recordings of nine people who listened to a story: words in time, electrodes, high gamma."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import BadInput, DataUnavailable, UnknownName
from .fetch import fetch

if TYPE_CHECKING:
    import mne

PODCAST_SUBJECTS = tuple(f"{number:02d}" for number in range(1, 10))
SFREQ_HZ, LENGTH_S = 512.0, 1800.0
STEP_BACK_S = 5.0  # two people talk at once: a word may begin before the one printed above it, by up to 2.6 s
HEAD_MM = {"x_mm": (-80, 80), "y_mm": (-115, 85), "z_mm": (-65, 90)}  # box around the MNI brain and its electrodes
LABELS = "space-MNI152NLin2009aSym_electrodes.tsv"
TOKEN_COLUMNS = ("word_idx", "word", "start", "end", "true_prob")


@dataclass(frozen=True)
class PodcastSubject:
    """Recording of one patient of the Podcast ECoG data (ds005574), or a SIMULATED one (``simulated``).

    ``raw``: ``mne.io.Raw`` of high gamma (70-200 Hz envelope, not standardised), one channel an electrode, not yet
    read into memory. ``electrodes``: the same electrodes in the same order, as in ``podcast_electrodes``.
    ``words``: as in ``podcast_words``; time 0 is the first sample of ``raw``.
    """

    subject: str
    raw: mne.io.BaseRaw
    electrodes: pd.DataFrame
    words: pd.DataFrame
    simulated: bool


@cache
def podcast_words() -> pd.DataFrame:
    """The 5,136 words of the story, in the order in which the transcript prints them.

    Columns: ``word`` (as printed), ``start_s``, ``end_s`` (from the start of the recording), ``n_tokens`` and
    ``surprisal_bits`` (of GPT-2 XL, whose 5,491 tokens are merged so that a word has one row). Index ``word_idx``.
    There is next to no punctuation, so no sentences either. Where speakers overlap, 19 words begin before the word
    above them: do not take the times as sorted. Source: Zada 2025, OpenNeuro ds005574 1.0.2.
    """
    words = read_transcript(fetch("podcast_ds005574/gpt2-xl_transcript.tsv"))
    if len(words) != 5136:
        raise BadInput(f"gpt2-xl_transcript.tsv: {len(words)} words, 5,136 wanted")
    return words


@cache
def podcast_electrodes(subject: str | None = None) -> pd.DataFrame:
    """Electrodes of one patient ("01" to "09" or the hospital's number, 661 to 798), or all 1,330.

    Columns: ``subject``, ``nyu_id``, ``name``, ``x_mm``, ``y_mm``, ``z_mm`` (MNI152NLin2009aSym), ``group``,
    ``hemisphere``, ``good``. Index ``electrode``: ``08_G2``. ``good``: recorded, and not marked as bad; the high gamma
    files hold exactly these. The position of 08_DAMT4 is NaN: its file puts it at a corner of the image, outside the
    head. Source: Zada 2025, OpenNeuro ds005574 1.0.2.
    """
    if subject is None:
        return pd.concat([podcast_electrodes(one) for one in PODCAST_SUBJECTS])
    ids = _patients(fetch("podcast_ds005574/participants.tsv"))
    subject = _known(subject, ids)
    files = [fetch(f"podcast_ds005574/sub-{subject}_{end}") for end in (LABELS, "task-podcast_channels.tsv")]
    return read_electrodes(*files, subject, ids[subject])


def podcast(subject: str, archive: str | Path | None = None) -> PodcastSubject:
    """High gamma, electrodes and words of one patient ("01" to "09").

    ``archive``: a folder in the layout of ds005574 (someone's own copy, or a SIMULATED one written by
    ``simulate.podcast_subject``); without it the recording is fetched (265 to 866 MB). Needs mne. Raises UnknownName,
    DataUnavailable, or BadInput for files that do not fit one another. Source: Zada 2025, OpenNeuro ds005574 1.0.2.
    """
    if archive is None:
        electrodes = podcast_electrodes(subject)
        subject = electrodes["subject"].iloc[0]
        path = fetch(f"podcast_highgamma/sub-{subject}_task-podcast_desc-highgamma_ieeg.fif")
        return _subject(subject, path, electrodes, podcast_words(), simulated=False)
    folder = Path(archive)
    ids = _patients(_inside(folder, "participants.tsv"))
    subject = _known(subject, ids)
    start = f"sub-{subject}/ieeg/sub-{subject}_"
    files = [_inside(folder, start + end) for end in (LABELS, "task-podcast_channels.tsv")]
    words = read_transcript(_inside(folder, "stimuli/gpt2-xl/transcript.tsv"))
    path = _inside(folder, f"derivatives/ecogprep/{start}task-podcast_desc-highgamma_ieeg.fif")
    note = json.loads(_inside(folder, "dataset_description.json").read_text(encoding="utf-8"))
    made = str(note.get("Name", "")).upper().startswith("SIMULATED")
    return _subject(subject, path, read_electrodes(*files, subject, ids[subject]), words, made)


def read_transcript(path: Path) -> pd.DataFrame:
    """Words from a transcript with one row a token; columns as in ``podcast_words``; raises BadInput."""
    tokens = _table(path, TOKEN_COLUMNS, index_col=0)
    if (tokens["word_idx"].diff().fillna(0) < 0).any():
        raise BadInput(f"{path.name}: word_idx falls at row {int(tokens['word_idx'].diff().argmin())}; wanted in order")
    groups = tokens.groupby("word_idx")
    differ = groups[["word", "start", "end"]].nunique().max(axis=1)
    if (differ > 1).any():
        raise BadInput(f"{path.name}: the tokens of word {differ.idxmax()} differ in word, start or end")
    words = groups[["word", "start", "end"]].first().rename(columns={"start": "start_s", "end": "end_s"})
    words["n_tokens"] = groups.size()
    words["surprisal_bits"] = -np.log2(groups["true_prob"].prod())
    _check_times(words, path.name)
    return words


def _check_times(words: pd.DataFrame, name: str) -> None:
    bad = (words["end_s"] <= words["start_s"]) | (words["start_s"] < 0) | (words["end_s"] > LENGTH_S + 1)
    bad |= words[["start_s", "end_s", "surprisal_bits"]].isna().any(axis=1)
    if bad.any():
        first = bad.idxmax()
        times = f"{words.at[first, 'start_s']} to {words.at[first, 'end_s']}"
        raise BadInput(f"{name}: word {first} lasts from {times}; wanted seconds within the recording, 0 to {LENGTH_S}")
    back = -words["start_s"].diff().min()
    if back > STEP_BACK_S:
        raise BadInput(
            f"{name}: word {words['start_s'].diff().idxmin()} begins {back:.1f} s before the word above it; "
            f"speakers overlap by less than {STEP_BACK_S} s"
        )


def read_electrodes(positions: Path, channels: Path, subject: str, nyu_id: str) -> pd.DataFrame:
    """Electrodes with position and state from the two tables of the archive; raises BadInput."""
    table = _table(positions, ("name", "x", "y", "z", "group"))
    state = _table(channels, ("name", "status")).drop_duplicates("name").set_index("name")["status"]
    twice = table["name"][table["name"].duplicated()]
    if len(twice):
        raise BadInput(f"{positions.name}: electrode {twice.iloc[0]} has more than one row")
    made = pd.DataFrame({"subject": subject, "nyu_id": nyu_id, "name": table["name"]})
    made[list(HEAD_MM)] = table[["x", "y", "z"]].astype(float)
    outside = ~np.logical_and.reduce([made[axis].between(*limits) for axis, limits in HEAD_MM.items()])
    extent = np.ptp(made[list(HEAD_MM)], axis=0).max() if len(made) > 1 else np.inf
    if outside.mean() > 0.25 or extent < 1:
        raise BadInput(
            f"{positions.name}: {outside.sum()} of {len(made)} electrodes lie outside the head, and they span "
            f"{extent:.3g}; wanted MNI millimetres"
        )
    made.loc[outside, list(HEAD_MM)] = np.nan
    made["group"] = table["group"]
    made["hemisphere"] = np.where(made["x_mm"].isna(), "", np.where(made["x_mm"] < 0, "L", "R"))
    made["good"] = made["name"].map(state).eq("good").to_numpy()
    return made.set_index(pd.Index(subject + "_" + made["name"], name="electrode"))


def _subject(subject, path: Path, electrodes, words, simulated: bool) -> PodcastSubject:
    electrodes = electrodes[electrodes["good"]]
    raw = _read_fif(path)
    missing = sorted(set(electrodes["name"]) - set(raw.ch_names))
    if missing:
        raise BadInput(f"{path.name}: no channel for {len(missing)} good electrodes: {', '.join(missing[:5])}")
    raw.pick(list(electrodes["name"])).reorder_channels(list(electrodes["name"]))
    rate = raw.info["sfreq"]
    if not simulated and rate != SFREQ_HZ:
        raise BadInput(f"{path.name}: sampled at {rate:g} Hz; the archive's high gamma has {SFREQ_HZ:g} Hz")
    if raw.n_times / rate < words["start_s"].max():
        raise BadInput(
            f"{path.name}: {raw.n_times / rate:.1f} s long, but a word begins at {words['start_s'].max():.1f} s; "
            "the file is cut off, or belongs to another transcript"
        )
    _check_metres(raw, electrodes, path.name)
    return PodcastSubject(subject, raw, electrodes, words, simulated)


def _read_fif(path: Path) -> mne.io.BaseRaw:
    try:
        import mne
    except ImportError:
        raise ImportError("reading recordings needs mne: pip install 'neuroconverge[ieeg]'") from None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # mne only warns when the end of a file is missing
        warnings.filterwarnings("ignore", message=".*does not conform to MNE naming conventions.*")
        try:
            return mne.io.read_raw_fif(path, preload=False, verbose="WARNING")
        except Exception as error:  # whatever a damaged file leads to, far inside the reader
            raise BadInput(f"{path.name}: not a whole FIF recording ({type(error).__name__}: {error})") from error


def _check_metres(raw, electrodes: pd.DataFrame, name: str) -> None:
    """The file gives metres in its own frame, the table MNI millimetres: the electrodes must span as much in both."""
    there = electrodes["x_mm"].notna().to_numpy()
    inside = np.array([channel["loc"][:3] for channel in raw.info["chs"]], dtype=float)[there] * 1000
    if there.sum() < 2 or not np.isfinite(inside).all() or not inside.any():
        return  # the file has no positions
    spans = [np.linalg.norm(np.std(one, axis=0)) for one in (inside, electrodes.loc[there, list(HEAD_MM)].to_numpy())]
    if not 0.5 < spans[0] / spans[1] < 2:
        raise BadInput(
            f"{name}: its electrodes are spread over {spans[0]:.3g} mm, those of the table over {spans[1]:.3g} mm; "
            "wanted metres in the file and millimetres in the table, of the same patient"
        )


def _patients(path: Path) -> dict[str, str]:
    """Hospital number of each patient by the number of the archive."""
    table = _table(path, ("participant_id", "nyu_id"))
    return dict(zip(table["participant_id"].str.removeprefix("sub-"), table["nyu_id"].astype(str), strict=True))


def _known(subject, ids: dict[str, str]) -> str:
    """Number of the archive from "08", "sub-08" or the hospital's "763"; raises UnknownName."""
    name = str(subject).removeprefix("sub-")
    name = {number: one for one, number in ids.items()}.get(name, name)
    if name not in ids:
        raise UnknownName("patient of podcast", subject, [*ids, *ids.values()])
    return name


def _table(path: Path, columns: tuple[str, ...], **options) -> pd.DataFrame:
    # utf-8-sig: the channel tables begin with a byte-order mark. "null" and "NA" may be words.
    table = pd.read_csv(path, sep="\t", encoding="utf-8-sig", keep_default_na=False, na_values={}, **options)
    missing = [column for column in columns if column not in table]
    if missing or table.empty:
        raise BadInput(f"{path.name}: {'has no rows' if table.empty else 'lacks the column ' + ', '.join(missing)}")
    numbers = [column for column in ("start", "end", "true_prob", "x", "y", "z") if column in columns]
    for column in numbers:
        values = pd.to_numeric(table[column], errors="coerce")
        if values.isna().any():
            row = int(values.isna().argmax())
            raise BadInput(f"{path.name}: row {row} has {table[column].iloc[row]!r} as {column}; wanted a number")
    return table


def _inside(folder: Path, file: str) -> Path:
    path = folder / file
    if not path.is_file():
        raise DataUnavailable(f"{path} is neither on disk nor reachable; {folder} should be a copy of ds005574")
    return path
