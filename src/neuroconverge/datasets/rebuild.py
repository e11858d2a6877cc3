"""Files that no public source holds as they are, made byte for byte from public ones.

Only text, JSON and FIF are read, never a pickle. ``fetch`` verifies what is written here.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from . import sources
from .registry import Row

# The leaderboard has one file per submission, split and task.
SUBMISSIONS = (
    "BrainBERT_frozen_Wang_et_al_2023",
    "BrainBERT_untrained_frozen",
    "Linear_Laplacian_rereferencing_spectrogram",
    "Linear_raw_voltage",
    "Linear_spectrogram",
    "PopulationTransformer_Chau_et_al_2024",
)
SUBMITTED = "Andrii_Zahorodnii_25_09_2025"
SPLITS = ("Cross-Session", "Cross-Subject", "Within-Session")
TASKS = """
    delta_volume face_num frame_brightness global_flow gpt2_surprisal local_flow onset pitch speech volume
    word_gap word_head_pos word_index word_length word_part_speech
""".split()
FOLD_COLUMNS = (
    "model split task subject_trial region time_bin bin_start_s bin_end_s fold test_accuracy test_roc_auc"
)


def build(row: Row, target: Path) -> None:
    """Write the registered file to ``target`` from its public sources; raises SourceFailed."""
    _, name, path = row.parts
    rules = {rule.__name__: rule for rule in (first_three_columns, neuroprobe_folds, phoneme_epochs)}
    try:
        rules[name](row, path, target)
    # A network's login page, for one, arrives in place of the data without any download error.
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise sources.SourceFailed(f"what came for {path} cannot be read by {name} ({problem})") from error


@contextmanager
def _source(row: Row, path: str, target: Path) -> Iterator[Path]:
    """One source file at the pinned commit, next to ``target`` and only for as long as it is read."""
    file = target.with_name(f"{target.name}.{PurePosixPath(path).name}")
    try:
        try:
            sources.download(sources.github_url(row, path), file)
        except sources.SourceFailed as failure:
            raise sources.SourceFailed(f"{path}: {failure}") from failure
        yield file
    finally:
        file.unlink(missing_ok=True)


def _write_lines(target: Path, lines: list[str]) -> None:
    target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def first_three_columns(row: Row, path: str, target: Path) -> None:
    """The three objects of each trial, without the participant in the fourth column."""
    with _source(row, path, target) as file:
        lines = file.read_text(encoding="utf-8").splitlines()
    _write_lines(target, [" ".join(line.split(" ")[:3]) for line in lines])


def neuroprobe_folds(row: Row, path: str, target: Path) -> None:
    """One line per fold of every leaderboard submission."""
    lines = [FOLD_COLUMNS.replace(" ", "\t")]
    combinations = list(product(SUBMISSIONS, SPLITS, TASKS))
    for submission, split, task in tqdm(combinations, desc=target.name, unit="file", delay=2, leave=False):
        source = f"{path}/{submission}_{SUBMITTED}/{split}/population_{task}.json"
        with _source(row, source, target) as file:
            # Numbers keep the digits that the source prints.
            result = json.loads(file.read_bytes(), parse_float=str)
        lines += ["\t".join(map(str, (result["model_name"], split, task, *fold))) for fold in _folds(result)]
    _write_lines(target, lines)


def _folds(result: dict) -> Iterator[tuple]:
    for session, regions in sorted(result["evaluation_results"].items()):
        for region, bins in regions.items():
            for name, scores in bins.items():
                span = scores["time_bin_start"], scores["time_bin_end"]
                for number, fold in enumerate(scores["folds"]):
                    accuracy = fold.get("test_accuracy", "")  # one submission states none
                    yield session, region, name, *span, number, accuracy, fold["test_roc_auc"]


def phoneme_epochs(row: Row, path: str, target: Path) -> None:
    """High-gamma epochs with the phoneme that was heard, as plain arrays."""
    try:
        import mne
    except ImportError as error:
        raise sources.SourceFailed("needs mne to read FIF: install neuroconverge[ieeg]") from error
    with _source(row, path, target) as file:
        epochs = mne.read_epochs(file, verbose="error")
    phoneme_of = {code: phoneme for phoneme, code in epochs.event_id.items()}
    arrays = {
        "data": epochs.get_data().astype(np.float32),
        "phoneme": np.array([phoneme_of[code] for code in epochs.events[:, 2]]),
        "times": epochs.times,
        "ch_names": np.array(epochs.ch_names),
        "sfreq": np.array(epochs.info["sfreq"]),
    }
    # np.savez would note the operating system in the archive, and the bytes would differ.
    with zipfile.ZipFile(target, "w") as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy")
            info.create_system, info.external_attr = 3, 0o600 << 16
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
