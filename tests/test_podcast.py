"""Podcast ECoG: transcript, electrodes and recordings, on the real tables and on small files of the same formats."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from conftest import have

from neuroconverge import BadInput, DataUnavailable, UnknownName, datasets, simulate
from neuroconverge.datasets import registry, sources

podcast = import_module("neuroconverge.datasets.podcast")  # the package exports its function of the same name
WORDS = pd.DataFrame(
    {"word": [f"w{i}" for i in range(40)], "start_s": 1 + 0.4 * np.arange(40), "end_s": 1.3 + 0.4 * np.arange(40)}
).rename_axis("word_idx")


# The real tables ------------------------------------------------------------------------------------------


def test_words_are_one_a_row_in_the_printed_order():
    words = have(datasets.podcast_words)
    assert len(words) == 5136 and words.index.tolist() == list(range(5136)) and words.index.name == "word_idx"
    assert words["n_tokens"].sum() == 5491 and words["word"].iloc[:3].tolist() == ["Act", "one,", "monkey"]
    steps = words["start_s"].diff()
    assert (steps < 0).sum() == 19 and -2.7 < steps.min() < -2.6  # speakers overlap: not sorted, on purpose
    assert (words["end_s"] > words["start_s"]).all() and words["end_s"].max() < 1800
    # "one," is two tokens: bits add up.
    assert words.at[1, "surprisal_bits"] == pytest.approx(-np.log2(0.00034219088) - np.log2(0.05952017))


def test_electrodes_of_nine_patients_in_mni_millimetres():
    table = have(datasets.podcast_electrodes)
    sizes = table.groupby("subject").agg(all=("name", "size"), good=("good", "sum"), nyu=("nyu_id", "first"))
    assert sizes["all"].tolist() == [103, 95, 264, 155, 160, 171, 119, 75, 188] and len(table) == 1330
    # The high gamma files hold as many channels: bytes / 4 / 921,600 samples.
    rows = [registry.rows(name)[0] for name in datasets.names("podcast_highgamma")]
    assert sizes["good"].tolist() == [row.bytes // (4 * 921_600) for row in rows] and sizes["good"].sum() == 1268
    assert sizes["nyu"].tolist() == ["661", "662", "717", "723", "741", "742", "743", "763", "798"]
    assert table.index.is_unique and table.index[table["x_mm"].isna()].tolist() == ["08_DAMT4"]
    assert table["x_mm"].abs().max() > 60 and table["z_mm"].between(-65, 90).sum() == 1329
    assert set(table["hemisphere"]) == {"L", "R", ""}


def test_patients_are_known_by_either_number():
    one = have(datasets.podcast_electrodes, "763")
    assert one["subject"].unique().tolist() == ["08"] and one.equals(datasets.podcast_electrodes("08"))
    assert one.equals(datasets.podcast_electrodes("sub-08"))
    with pytest.raises(UnknownName, match="patient of podcast is called '10'"):
        datasets.podcast_electrodes("10")


def test_recordings_are_registered_as_the_archive_has_them():
    row = registry.rows("podcast_highgamma/sub-08_task-podcast_desc-highgamma_ieeg.fif")[0]
    path = "ds005574/derivatives/ecogprep/sub-08/ieeg/sub-08_task-podcast_desc-highgamma_ieeg.fif"
    assert row.bytes == 265_460_998 and row.sha256.startswith("4ee1660c3aaf13fb") and row.parts[1] == "1.0.2"
    assert sources.openneuro_url(row) == f"https://s3.amazonaws.com/openneuro.org/{path}"


def test_no_network_is_said_at_once(monkeypatch, tmp_path):
    have(datasets.podcast_electrodes, "08")
    have(datasets.podcast_words)
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("NEUROCONVERGE_MIRROR", raising=False)
    monkeypatch.setattr(sources, "_unreachable", {})
    monkeypatch.setattr(sources, "openneuro_url", lambda row: "http://127.0.0.1:1/x.fif")
    with pytest.raises(DataUnavailable, match=r"265.5 MB\) is neither on disk nor reachable(.|\n)*ConnectionError"):
        datasets.podcast("08")


class Archive(BaseHTTPRequestHandler):
    """Gives what is asked for from a byte on, and hangs up after ``most`` bytes."""

    log_message = print

    def do_GET(self):
        host, start = self.server, int(self.headers["Range"].split("=")[1].rstrip("-"))
        host.asked.append(start)
        whole = not host.resumes
        rest = host.data if whole else host.data[start:]
        self.send_response(200 if whole else 206 if rest else 416)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: host.most])


@pytest.fixture
def host(monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    server.data, server.asked, server.most, server.resumes = bytes(range(256)) * 40, [], None, True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = hashlib.sha256(server.data).hexdigest()
    row = registry.Row("group/a.fif", "openneuro", "ds1|1.0|a.fif", len(server.data), digest)
    monkeypatch.setattr(registry, "_by_name", lambda: {row.name: [row]})
    monkeypatch.setattr(sources, "_unreachable", {})
    monkeypatch.setattr(sources, "openneuro_url", lambda row: f"http://127.0.0.1:{server.server_port}/a.fif")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NEUROCONVERGE_MIRROR", raising=False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("resumes", [True, False])
def test_a_download_that_was_cut_off_goes_on_where_it_stopped(host, monkeypatch, resumes):
    monkeypatch.setattr(sources, "CHUNK", 1000)
    host.most, host.resumes = 4000, resumes
    with pytest.raises(DataUnavailable, match="0.0 of 0.0 MB are kept, ask again to go on"):
        datasets.fetch("group/a.fif")
    host.most = None
    assert datasets.fetch("group/a.fif").read_bytes() == host.data
    assert host.asked == [0, 4000] and not list(datasets.cache_dir().rglob("*.part*"))


def test_a_whole_but_wrong_download_is_set_aside(host):
    wrong, host.data = host.data, host.data[::-1]
    with pytest.warns(UserWarning, match="is not the registered file"), pytest.raises(DataUnavailable):
        datasets.fetch("group/a.fif")
    host.data = wrong
    assert datasets.fetch("group/a.fif").read_bytes() == wrong


# Small files of the same formats --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def electrodes() -> pd.DataFrame:
    """Eight made-up electrodes: one is bad, one has no place."""
    rng = np.random.default_rng(0)
    names = [f"G{i}" for i in range(8)]
    table = pd.DataFrame(rng.uniform(-60, -20, (8, 3)), columns=["x_mm", "y_mm", "z_mm"])
    table.loc[7, ["x_mm", "y_mm", "z_mm"]] = np.nan
    table = table.assign(subject="08", nyu_id="763", name=names, group="G", good=[True] * 2 + [False] + [True] * 5)
    return table.set_index("08_" + table["name"])


@pytest.fixture(scope="module")
def made(electrodes, tmp_path_factory):
    pytest.importorskip("mne")
    folder = tmp_path_factory.mktemp("archive")
    states = np.random.default_rng(1).standard_normal((3, len(WORDS), 6))
    return simulate.podcast_subject(electrodes, WORDS, states, folder, sfreq_hz=64.0, length_s=20.0)


@pytest.fixture
def archive(made, tmp_path):
    return shutil.copytree(made.folder, tmp_path / "copy")


def place(archive, end: str):
    return next(path for path in archive.rglob("sub-08_*") if path.name.endswith(end))


def edit(archive, end: str, **columns):
    path = place(archive, end)
    table = pd.read_csv(path, sep="\t", encoding="utf-8-sig").assign(**columns)
    table.to_csv(path, sep="\t", index=False, encoding="utf-8-sig")


def test_a_simulated_copy_is_read_back(made, archive, electrodes):
    data = datasets.podcast("763", archive)
    assert data.simulated and data.subject == "08" and data.raw.info["sfreq"] == 64
    good = electrodes[electrodes["good"]]
    assert data.raw.ch_names == good["name"].tolist() and data.electrodes.index.tolist() == good.index.tolist()
    np.testing.assert_allclose(data.raw.get_data(), made.signal, rtol=1e-5)
    np.testing.assert_allclose(data.electrodes["x_mm"], good["x_mm"], atol=1e-6)
    assert data.electrodes["x_mm"].isna().sum() == 1  # written to the corner of the image, as in the archive
    inside = np.array([channel["loc"][:3] for channel in data.raw.info["chs"]])
    np.testing.assert_allclose(inside[0] * 1000, good[["x_mm", "y_mm", "z_mm"]].iloc[0], atol=1e-3)
    pd.testing.assert_frame_equal(data.words[["word", "start_s", "end_s"]], WORDS)
    assert place(archive, "channels.tsv").read_bytes().startswith(b"\xef\xbb\xbf")  # byte-order mark, as in the archive


def test_a_second_patient_joins_the_folder(archive, electrodes):
    other = electrodes.assign(subject="03", nyu_id="717").set_axis("03_" + electrodes["name"])
    simulate.podcast_subject(other, WORDS, np.eye(40)[None], archive, subject="03", sfreq_hz=32.0, length_s=20.0)
    assert datasets.podcast("717", archive).electrodes.index[0] == "03_G0"
    assert datasets.podcast("08", archive).raw.info["sfreq"] == 64


def test_real_data_are_never_written_over(archive, electrodes):
    (archive / "dataset_description.json").write_text(json.dumps({"Name": 'The "Podcast" ECoG dataset'}))
    with pytest.raises(BadInput, match="not simulated"):
        simulate.podcast_subject(electrodes, WORDS, np.eye(40)[None], archive, sfreq_hz=32.0, length_s=20.0)
    # A copy that does not say SIMULATED is taken for a measured one, and those have 512 Hz.
    with pytest.raises(BadInput, match="sampled at 64 Hz; the archive's high gamma has 512 Hz"):
        datasets.podcast("08", archive)


@pytest.mark.parametrize("scale, where", [(1e-3, "they span 0\\."), (10.0, "lie outside the head")])
def test_positions_in_other_units_are_refused(archive, scale, where):
    path = place(archive, "electrodes.tsv")
    table = pd.read_csv(path, sep="\t")
    edit(archive, "electrodes.tsv", **{axis: table[axis] * scale for axis in "xyz"})
    with pytest.raises(BadInput, match=f"{where}.*; wanted MNI millimetres"):
        datasets.podcast("08", archive)


def test_metres_in_the_recording(archive):
    mne = pytest.importorskip("mne")
    path = place(archive, "highgamma_ieeg.fif")
    raw = mne.io.read_raw_fif(path, preload=True, verbose="ERROR")
    for channel in raw.info["chs"]:
        channel["loc"][:3] *= 1000  # millimetres where metres belong
    raw.save(path, fmt="single", overwrite=True, verbose="ERROR")
    with pytest.raises(BadInput, match="wanted metres in the file and millimetres in the table"):
        datasets.podcast("08", archive)


def test_a_missing_channel_is_named(archive):
    edit(archive, "channels.tsv", status="good")  # G2 was bad, so the recording has no such channel
    with pytest.raises(BadInput, match="no channel for 1 good electrodes: G2"):
        datasets.podcast("08", archive)


def test_an_electrode_that_was_never_recorded_is_not_good(archive):
    path = place(archive, "channels.tsv")
    pd.read_csv(path, sep="\t", encoding="utf-8-sig").iloc[:-1].to_csv(path, sep="\t", index=False)
    assert "08_G7" not in datasets.podcast("08", archive).electrodes.index


@pytest.mark.parametrize("keep", [0.5, 0.01])
def test_a_truncated_recording_is_refused(archive, keep):
    path = place(archive, "highgamma_ieeg.fif")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(BadInput, match="not a whole FIF recording|s long, but a word begins at"):
        datasets.podcast("08", archive)


def test_a_recording_shorter_than_its_words_is_refused(archive):
    transcript = archive / "stimuli" / "gpt2-xl" / "transcript.tsv"
    table = pd.read_csv(transcript, sep="\t", index_col=0)
    table.assign(start=table["start"] + 10, end=table["end"] + 10).to_csv(transcript, sep="\t")
    with pytest.raises(BadInput, match="20.0 s long, but a word begins at 26.6 s"):
        datasets.podcast("08", archive)


def test_a_folder_that_lacks_files_is_named(archive, tmp_path):
    with pytest.raises(DataUnavailable, match="participants.tsv is neither .*should be a copy of ds005574"):
        datasets.podcast("08", tmp_path / "nothing")
    place(archive, "highgamma_ieeg.fif").unlink()
    with pytest.raises(DataUnavailable, match="highgamma_ieeg.fif is neither"):
        datasets.podcast("08", archive)


# Transcripts ----------------------------------------------------------------------------------------------


def transcript(tmp_path, **changes):
    tokens = {
        "word_idx": [0, 1, 1, 2],
        "word": ["null", "NA,", "NA,", "nan"],
        "start": [1.0, 2.0, 2.0, 1.9],
        "end": [1.5, 2.4, 2.4, 2.2],
        "true_prob": [0.5, 0.25, 0.5, 0.125],
    }
    path = tmp_path / "transcript.tsv"
    pd.DataFrame(tokens | changes).to_csv(path, sep="\t")
    return path


def test_words_that_look_like_missing_values_stay_words(tmp_path):
    words = podcast.read_transcript(transcript(tmp_path))
    assert words["word"].tolist() == ["null", "NA,", "nan"] and words["n_tokens"].tolist() == [1, 2, 1]
    assert words["surprisal_bits"].tolist() == [1, 3, 3] and words["start_s"].tolist() == [1.0, 2.0, 1.9]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"word_idx": [0, 2, 2, 1]}, "word_idx falls at row 3"),
        ({"start": [1.0, 2.0, 2.1, 1.9]}, "the tokens of word 1 differ"),
        ({"end": [1.5, 1.9, 1.9, 2.2]}, "word 1 lasts from 2.0 to 1.9; wanted seconds within the recording"),
        ({"start": [1000.0, 2000.0, 2000.0, 1900.0], "end": [1500.0, 2400.0, 2400.0, 2200.0]}, "wanted seconds"),
        ({"start": [8.0, 9.0, 9.0, 1.9], "end": [8.5, 9.5, 9.5, 2.2]}, "word 2 begins 7.1 s before the word above"),
        ({"start": [1.0, "x", "x", 1.9]}, "row 1 has 'x' as start; wanted a number"),
    ],
)
def test_a_transcript_that_cannot_be_right_is_refused(tmp_path, changes, message):
    with pytest.raises(BadInput, match=message):
        podcast.read_transcript(transcript(tmp_path, **changes))


def test_a_transcript_without_times_is_refused(tmp_path):
    path = tmp_path / "transcript.tsv"
    path.write_text("\tword_idx\tword\n0\t0\ta\n")
    with pytest.raises(BadInput, match="lacks the column start, end, true_prob"):
        podcast.read_transcript(path)


def test_mne_is_asked_for_by_name(monkeypatch, archive):
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(ImportError, match=r"pip install 'neuroconverge\[ieeg\]'"):
        datasets.podcast("08", archive)
