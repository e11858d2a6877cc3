import hashlib
import json
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from neuroconverge.datasets import rebuild, registry, sources

fetch = import_module("neuroconverge.datasets.fetch")  # the package exports its function of the same name
COMMIT = "0" * 40


def row_of(rule, path, data=b""):
    digest = hashlib.sha256(data).hexdigest()
    return registry.Row("group/file", "rebuild", f"owner/repo@{COMMIT}|{rule}|{path}", len(data), digest)


def serve(monkeypatch, content):
    """Let ``sources.download`` answer with ``content(path)``; returns the paths asked for."""
    asked = []

    def download(url, target):
        path = unquote(url).partition(f"/owner/repo/{COMMIT}/")[2]
        assert path, f"not at the pinned commit: {url}"
        asked.append(path)
        Path(target).write_bytes(content(path))

    monkeypatch.setattr(sources, "download", download)
    return asked


def built(row, folder):
    target = folder / "file.part"
    rebuild.build(row, target)
    assert [path.name for path in folder.iterdir()] == ["file.part"]
    return target.read_bytes()


def test_every_registered_rule_exists():
    rows = [row for name in registry.names() for row in registry.rows(name) if row.source == "rebuild"]
    assert {row.parts[1] for row in rows} == {"first_three_columns", "neuroprobe_folds", "phoneme_epochs"}
    for row in rows:
        repository, _, commit = row.parts[0].partition("@")
        assert len(row.parts) == 3 and repository.count("/") == 1 and len(commit) == 40
        assert callable(getattr(rebuild, row.parts[1]))


def test_first_three_columns_drop_the_participant(monkeypatch, tmp_path):
    asked = serve(monkeypatch, lambda path: b"1663 1132 1 0\n0 7 12 263\n")
    assert built(row_of("first_three_columns", "data/trials.txt"), tmp_path) == b"1663 1132 1\n0 7 12\n"
    assert asked == ["data/trials.txt"]


def leaderboard_file(path):
    """Two unsorted sessions, digits that a float would not keep, and not always an accuracy."""
    _, submission, _, name = path.split("/")
    task = name.removeprefix("population_").removesuffix(".json")
    accuracy = "" if submission.startswith("Population") else '"test_accuracy": 0.50, '
    fold = f'{{{accuracy}"test_roc_auc": 0.{len(task)}0}}'
    bins = f'{{"bin": {{"time_bin_start": 0.0, "time_bin_end": 1.0, "folds": [{fold}, {fold}]}}}}'
    sessions = ", ".join(f'"{session}": {{"population": {bins}}}' for session in ("btbank1_1", "btbank10_0"))
    return f'{{"model_name": "the {submission}", "evaluation_results": {{{sessions}}}}}'.encode()


def test_neuroprobe_folds_become_one_line_each(monkeypatch, tmp_path):
    asked = serve(monkeypatch, leaderboard_file)
    text = built(row_of("neuroprobe_folds", "leaderboard"), tmp_path).decode()
    assert len(asked) == len(set(asked)) == 6 * 3 * 15
    assert asked == sorted(asked)
    first = "BrainBERT_frozen_Wang_et_al_2023_Andrii_Zahorodnii_25_09_2025"
    assert asked[0] == f"leaderboard/{first}/Cross-Session/population_delta_volume.json"
    lines = text.split("\n")
    assert lines.pop() == "" and "\r" not in text
    assert lines[0].split("\t")[-3:] == ["fold", "test_accuracy", "test_roc_auc"]
    assert len(lines) == 1 + 270 * 2 * 2
    assert {line.count("\t") for line in lines} == {10}
    rest = "population\tbin\t0.0\t1.0"
    beginning = f"the {first}\tCross-Session\tdelta_volume"
    assert lines[1] == f"{beginning}\tbtbank10_0\t{rest}\t0\t0.50\t0.120"
    assert lines[2] == f"{beginning}\tbtbank10_0\t{rest}\t1\t0.50\t0.120"
    assert lines[3] == f"{beginning}\tbtbank1_1\t{rest}\t0\t0.50\t0.120"
    assert lines[-1].endswith("\tbtbank1_1\t" + rest + "\t1\t\t0.160")  # no accuracy stated


def made_up_epochs(folder):
    mne = pytest.importorskip("mne")
    data = np.random.default_rng(0).normal(size=(3, 2, 4))
    info = mne.create_info(["ch_0", "ch_1"], 200.0, "ecog")
    events = np.array([[0, 0, 1], [1, 0, 0], [2, 0, 1]])
    epochs = mne.EpochsArray(data, info, events, event_id={"h#": 0, "dh": 1}, verbose="error")
    epochs.save(folder / "made-epo.fif", verbose="error")
    return (folder / "made-epo.fif").read_bytes(), data


def test_phoneme_epochs_become_the_bytes_of_savez(monkeypatch, tmp_path_factory, tmp_path):
    fif, data = made_up_epochs(tmp_path_factory.mktemp("fif"))
    serve(monkeypatch, lambda path: fif)
    content = built(row_of("phoneme_epochs", "features/made-epo.fif"), tmp_path)
    with np.load(tmp_path / "file.part", allow_pickle=False) as arrays:
        assert list(arrays) == ["data", "phoneme", "times", "ch_names", "sfreq"]
        assert arrays["data"].dtype == np.float32
        np.testing.assert_allclose(arrays["data"], data, rtol=1e-6)
        assert arrays["phoneme"].tolist() == ["dh", "h#", "dh"]
        assert arrays["ch_names"].tolist() == ["ch_0", "ch_1"]
        np.testing.assert_allclose(arrays["times"], np.arange(4) / 200)
        assert arrays["sfreq"].shape == () and arrays["sfreq"] == 200
        if sys.platform != "win32":
            np.savez(tmp_path / "savez.npz", **arrays)
            assert content == (tmp_path / "savez.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "file.part") as archive:
        assert {(entry.create_system, entry.date_time[0]) for entry in archive.infolist()} == {(3, 1980)}


def test_without_mne_the_message_says_what_to_install(monkeypatch, tmp_path):
    asked = serve(monkeypatch, lambda path: b"")
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(sources.SourceFailed, match=r"neuroconverge\[ieeg\]"):
        rebuild.build(row_of("phoneme_epochs", "features/made-epo.fif"), tmp_path / "file.part")
    assert not asked


@pytest.mark.parametrize("rule", ["first_three_columns", "neuroprobe_folds", "phoneme_epochs"])
def test_a_failed_download_names_the_file_and_leaves_nothing(monkeypatch, tmp_path, rule):
    if rule == "phoneme_epochs":
        pytest.importorskip("mne")

    def fail(url, target):
        Path(target).write_bytes(b"half")
        raise sources.SourceFailed("raw.githubusercontent.com: ConnectTimeout")

    monkeypatch.setattr(sources, "download", fail)
    with pytest.raises(sources.SourceFailed, match=r"folder/\S+: raw.githubusercontent.com: ConnectTimeout"):
        rebuild.build(row_of(rule, "folder/source-epo.fif"), tmp_path / "file.part")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"<html>log in</html>", b"\xff\xfe", b'{"a": 1}', b"[]"])
@pytest.mark.parametrize("rule", ["neuroprobe_folds", "phoneme_epochs"])
def test_other_content_is_a_failed_source(monkeypatch, tmp_path, rule, content):
    if rule == "phoneme_epochs":
        pytest.importorskip("mne")
    serve(monkeypatch, lambda path: content)
    with pytest.raises(sources.SourceFailed, match=f"cannot be read by {rule}"):
        rebuild.build(row_of(rule, "folder/source-epo.fif"), tmp_path / "file.part")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_not_a_failed_source(monkeypatch, tmp_path):
    def fail(url, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sources, "download", fail)
    with pytest.raises(OSError, match="No space left"):
        rebuild.build(row_of("first_three_columns", "trials.txt"), tmp_path / "file.part")


def test_fetch_verifies_what_is_rebuilt(monkeypatch, tmp_path):
    content = [b"1 2 3 4\n"]
    serve(monkeypatch, lambda path: content[0])
    right = row_of("first_three_columns", "trials.txt", b"1 2 3\n")
    fetch._obtain(right, tmp_path / "right")
    assert (tmp_path / "right").read_bytes() == b"1 2 3\n"
    content[0] = b"<html>log in</html>\n"
    failure = pytest.raises(sources.SourceFailed, match="not the registered")
    with pytest.warns(UserWarning, match="set aside"), failure:
        fetch._obtain(right, tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


# With a mirror at hand, its real files are taken apart into sources, which must build them again.


def mirrored(name):
    """Row and bytes of the mirror's real file; the row is changed to point to the made-up repository."""
    row = registry.rows(name)[0]
    path = next((folder / name for folder in fetch.mirrors() if fetch.is_intact(folder / name, row)), None)
    if path is None:
        pytest.skip(f"NEUROCONVERGE_MIRROR has no {name}")
    return row_of(*row.parts[1:]), path.read_bytes()


def test_mirrored_triplets_survive_the_round_trip(monkeypatch, tmp_path):
    row, real = mirrored("things_triplets/test_10_ID_cols123.txt")
    serve(monkeypatch, lambda path: real.replace(b"\n", b" 263\n"))
    assert built(row, tmp_path) == real


def test_mirrored_folds_survive_the_round_trip(monkeypatch, tmp_path):
    row, real = mirrored("neuroprobe/leaderboard_folds.tsv")
    files = {}
    for line in real.decode().splitlines()[1:]:
        model, split, task, session, region, name, start, end, _, accuracy, auc = line.split("\t")
        # The folders are named after the models.
        stem = "_".join("".join(c for c in model if c.isalnum() or c == " ").split())
        file = files.setdefault((stem, split, task), {"model_name": model, "evaluation_results": {}})
        bins = file["evaluation_results"].setdefault(session, {}).setdefault(region, {})
        empty = {"time_bin_start": float(start), "time_bin_end": float(end), "folds": []}
        fold = {"test_roc_auc": float(auc)} | ({"test_accuracy": float(accuracy)} if accuracy else {})
        bins.setdefault(name, empty)["folds"].append(fold)

    def content(path):
        _, folder, split, name = path.split("/")
        stem = folder.removesuffix("_Andrii_Zahorodnii_25_09_2025")
        task = name.removeprefix("population_").removesuffix(".json")
        return json.dumps(files.pop((stem, split, task))).encode()

    serve(monkeypatch, content)
    assert built(row, tmp_path) == real
    assert not files


def test_mirrored_epochs_survive_the_round_trip(monkeypatch, tmp_path_factory, tmp_path):
    mne = pytest.importorskip("mne")
    row, real = mirrored("ecog_timit_phonemes/hfa_phoneme_epochs.npz")
    folder = tmp_path_factory.mktemp("fif")
    (folder / "real.npz").write_bytes(real)
    with np.load(folder / "real.npz", allow_pickle=False) as arrays:
        code_of = {phoneme: code for code, phoneme in enumerate(dict.fromkeys(arrays["phoneme"].tolist()))}
        codes = [code_of[phoneme] for phoneme in arrays["phoneme"].tolist()]
        events = np.column_stack([np.arange(len(codes)), np.zeros(len(codes), int), codes])
        info = mne.create_info(arrays["ch_names"].tolist(), float(arrays["sfreq"]), "ecog")
        data = arrays["data"].astype(float)
    epochs = mne.EpochsArray(data, info, events, event_id=code_of, verbose="error")
    epochs.save(folder / "real-epo.fif", verbose="error")
    serve(monkeypatch, lambda path: (folder / "real-epo.fif").read_bytes())
    assert built(row, tmp_path) == real
