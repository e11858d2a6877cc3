"""The command line as a user types it."""

from __future__ import annotations

import pandas as pd
import pytest
from typer.testing import CliRunner

from neuroconverge import cli, datasets, experiments
from neuroconverge.errors import DataUnavailable

run = CliRunner().invoke


@pytest.fixture
def one_experiment(monkeypatch, tmp_path):
    made = experiments.Experiment(lambda: pd.DataFrame({"a": [1.0], "b": ["x"]}), needs=(), claims=("F1a",))
    made.name = "tiny"
    made.__doc__ = "A tiny one."
    monkeypatch.setattr(experiments, "all_experiments", lambda: {"tiny": made})
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    return made


def test_doctor_and_list_say_what_is_here(monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path))
    monkeypatch.delenv("NEUROCONVERGE_MIRROR", raising=False)
    said = run(cli.app, ["doctor"]).output
    assert "torch" in said and "captions92" in said and "NEUROCONVERGE_MIRROR is not set" in " ".join(said.split())
    said = run(cli.app, ["list"]).output
    assert "pereira_words" in said and "caption_rsa" in said


def test_run_record_verify(one_experiment):
    assert run(cli.app, ["run", "tiny"]).output.strip() == "a,b\n1.0,x"
    assert "1 rows recorded" in run(cli.app, ["record"]).output
    same = run(cli.app, ["verify"])
    assert same.exit_code == 0 and "equals the record" in same.output
    one_experiment.function = lambda: pd.DataFrame({"a": [2.0], "b": ["x"]})
    moved = run(cli.app, ["verify", "tiny"])
    assert moved.exit_code == 1 and "a: differs by up to 1.0000, row 0" in moved.output


def test_options_go_to_the_experiment_in_the_type_of_its_defaults(one_experiment):
    def function(subject="08", seed=0, share=0.5, archive=None):
        return pd.DataFrame({"subject": [subject], "seed": [seed], "share": [share], "archive": [archive]})

    one_experiment.function = function
    words = ["run", "tiny", "--subject", "03", "--seed=7", "--share", "0.25", "--archive", "a folder"]
    assert run(cli.app, words).output.strip() == "subject,seed,share,archive\n03,7,0.25,a folder"
    for wrong, message in (
        (["--seeds", "7"], "--seeds: not an option of tiny; its options: --subject, --seed, --share, --archive"),
        (["--seed", "x"], "--seed: got 'x'; wanted int"),
        (["--seed"], "--seed: wanted a value after it"),
        (["seed"], "seed: not an option"),
    ):
        assert message in str(run(cli.app, ["run", "tiny", *wrong]).exception)


def test_what_is_true_or_false_by_default_is_a_switch(one_experiment):
    def function(fast=False, keep_all=True):
        return pd.DataFrame({"fast": [fast], "keep_all": [keep_all]})

    one_experiment.function = function
    for words, values in (
        ([], "False,True"),
        (["--fast", "--no-keep-all"], "True,False"),
        (["--no-fast", "--keep-all"], "False,True"),
    ):
        assert run(cli.app, ["run", "tiny", *words]).output.strip() == f"fast,keep_all\n{values}"
    for wrong, message in (
        (["--fast=False"], "--fast: takes no value; wanted --fast or --no-fast"),
        (["--fast", "False"], "False: not an option of tiny"),
        (["--no-slow"], "--no-slow: not an option of tiny"),
    ):
        assert message in str(run(cli.app, ["run", "tiny", *wrong]).exception)


def test_what_cannot_be_recorded_is_left_out_of_record_and_verify(one_experiment):
    one_experiment.recorded = False
    assert run(cli.app, ["record"]).output == "" and run(cli.app, ["verify"]).exit_code == 0


def test_fetch_prints_where_a_file_lies(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "fetch", lambda name: tmp_path / name)
    monkeypatch.setattr(datasets, "fetch_group", lambda group: {"b": tmp_path / group / "b"})
    assert run(cli.app, ["fetch", "group/a"]).output.strip() == str(tmp_path / "group" / "a")
    assert run(cli.app, ["fetch", "group"]).output.strip() == str(tmp_path / "group" / "b")


def test_own_errors_are_one_message(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["neuroconverge", "run", "caption_rs"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = " ".join(capsys.readouterr().err.split())
    assert stop.value.code == 1 and said.startswith("UnknownName: No experiment is called 'caption_rs'. Did you mean")


def test_unavailable_data_end_in_one_message(monkeypatch, capsys):
    def nothing(name):
        raise DataUnavailable(f"{name} is neither on disk nor reachable. Tried: ...")

    monkeypatch.setattr(datasets, "fetch", nothing)
    monkeypatch.setattr("sys.argv", ["neuroconverge", "fetch", "coco/captions_val2017.json"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "DataUnavailable: coco/captions_val2017.json is neither" in " ".join(capsys.readouterr().err.split())
