"""Tables of vision networks: read right, odd files named, families complete."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files as package_files

import numpy as np
import pandas as pd
import pytest
from conftest import have

from neuroconverge import BadInput, datasets

tables = import_module("neuroconverge.datasets.deepnsd")  # the function of this name hides the module

NAMES = [
    "alexnet_classification",
    "alexnet_random",
    "RN50_clip",
    "alexnet_gn_ipcl_imagenet_ipcl",
    tables.RANDOM_WEIGHTS,
]


def files() -> dict[str, pd.DataFrame]:
    """SIMULATED tables in the form of the published ones, for five networks."""
    rows = []
    for i, name in enumerate(NAMES):
        task = ["classification", "random", "clip", "ipcl", "taskonomy"][i]
        facts = (
            name,
            "Name",
            "AlexNet",
            "Convolutional",
            task,
            "imagenet" if i else "openai400M",
            6e7 if i else np.nan,
        )
        rows += [(*facts, metric, 0.1 * i + 0.01 * k) for k, metric in enumerate(tables.METRICS)]
    columns = ["model_string", "display_name", "architecture", "model_class", "train_task", "train_data"]
    short = [name.removesuffix("_ipcl") for name in NAMES]  # as in the smaller files
    sizes = pd.DataFrame({"model_string": short, "total_params": [61e6, 6e7, 2e7, 6e7, 2e7]})
    dims = pd.DataFrame({"model_string": short * 2, "effective_dimensions": [*range(10)]})
    return {
        "results_summary": pd.DataFrame(rows, columns=[*columns, "total_parameter_count", "metric", "score"]),
        "imagenet1k": pd.DataFrame({"model_string": [NAMES[0], NAMES[2]], "imagnet1k_top1": [56.5, 73.3]}),
        "parameter_count": sizes,
        "dimensionality": dims.assign(random_projection=[False] * 5 + [True] * 5),
        "noise_ceilings": pd.DataFrame({"subj_id": [1, 1, 2, 2], "sim_id": [0, 1] * 2, "value": [0.8, 0.9, 0.7, 0.7]}),
    }


@pytest.fixture
def as_published(tmp_path, monkeypatch):
    """Puts tables in the place of the published files."""

    def put(made: dict[str, pd.DataFrame]):
        for name, table in made.items():
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        monkeypatch.setattr(tables, "fetch", lambda name: tmp_path / name.split("/")[1])

    return put


def test_table_is_tidied_whatever_the_order_of_rows(as_published):
    as_published(files())
    plain = datasets.deepnsd()
    assert list(plain.index) == sorted(NAMES) and plain["trained"].sum() == 3
    assert not plain.loc[tables.RANDOM_WEIGHTS, "trained"], "a control with random weights is not trained"
    assert plain.loc["alexnet_random", "family"] == plain.loc["alexnet_classification", "family"] == "alexnet"
    assert plain.loc["alexnet_random", "top1_of"] == "" and np.isnan(plain.loc["alexnet_random", "top1"])
    assert plain.loc["alexnet_gn_ipcl_imagenet_ipcl", "parameters"] == 6e7, "its name differs between the files"
    assert plain.loc["RN50_clip", "dimensions"] == 7 and plain.loc["RN50_clip", "wRSA"] == pytest.approx(0.21)
    assert plain.loc["alexnet_classification", "images"] == 400 and plain["parameters"].notna().all()
    as_published({name: table.sample(frac=1, random_state=0) for name, table in files().items()})
    pd.testing.assert_frame_equal(datasets.deepnsd(), plain)


def test_bom_and_missing_kind_do_no_harm(as_published, tmp_path):
    made = files()
    made["results_summary"].loc[made["results_summary"]["model_string"] == "RN50_clip", "model_class"] = np.nan
    as_published(made)
    path = tmp_path / "results_summary.csv"
    path.write_text("\ufeff" + path.read_text(), encoding="utf-8")
    assert datasets.deepnsd().loc["RN50_clip", "kind"] == ""


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("results_summary", lambda t: pd.concat([t, t.iloc[:1]]), "row 15 repeats a model and metric"),
        ("results_summary", lambda t: t.iloc[1:], "alexnet_classification lacks one of the scores"),
        ("results_summary", lambda t: t.assign(score=t["score"].where(t.index != 4)), "score in row 4 is nan"),
        ("results_summary", lambda t: t.assign(score=t["score"] * 100), "wanted -1 to 1"),
        ("results_summary", lambda t: t.replace({"model_string": "RN50_clip"}, "RN51_clip"), "without a family: RN51"),
        ("results_summary", lambda t: t.drop(columns="metric"), "lacks the columns metric"),
        ("results_summary", lambda t: t.replace({"metric": "wrsa"}, "rsa"), "metrics crsa, rsa, srpr"),
        ("imagenet1k", lambda t: t.assign(imagnet1k_top1=0.01), "wanted 0.1 to 100"),
        ("imagenet1k", lambda t: t.iloc[:1], "networks with an accuracy"),
        ("parameter_count", lambda t: pd.concat([t, t.iloc[:1]]), "alexnet_classification stands there twice"),
        ("dimensionality", lambda t: t.iloc[:0], "holds no rows"),
    ],
)
def test_odd_files_are_named(as_published, file, change, said):
    made = files()
    made[file] = change(made[file])
    as_published(made)
    with pytest.raises(BadInput, match=said):
        datasets.deepnsd()


def test_ceiling_is_a_mean_by_person(as_published):
    as_published(files())
    assert datasets.deepnsd_ceiling().to_dict() == pytest.approx({1: 0.85, 2: 0.7})
    made = files()["noise_ceilings"]
    as_published({"noise_ceilings": pd.concat([made, made.iloc[:1]])})
    with pytest.raises(BadInput, match="row 4 repeats a simulation"):
        datasets.deepnsd_ceiling()


def test_families_are_complete():
    facts = datasets.vision_models()
    assert len(facts) == 160 and facts.index.is_unique and (facts["family"] != "").all()
    assert facts["top1_of"].value_counts().to_dict() == {"classifier": 65, "": 61, "read-out": 28, "fine-tuned": 6}
    assert facts.loc[facts["top1_of"] != "", "family"].nunique() == 37
    for name, family in (("deit_base_patch16_224_classification", "vit"), ("RN101_clip", "clip")):
        assert facts.loc[name, "family"] == family


def test_published_table():
    table = have(datasets.deepnsd)
    assert len(table) == 224 and table["trained"].sum() == 159 and table["top1"].notna().sum() == 99
    assert not table.drop(columns=["top1", "images"]).isna().any(axis=None)
    assert (table["kind"] == "").sum() == 1 and table["parameters"].between(1e6, 7e8).all()
    twins = table.index[table["task"] == "random"]
    assert len(twins) == 64 and set(twins.str.replace("_random", "_classification")) <= set(table.index)
    assert have(datasets.deepnsd_ceiling).round(3).to_dict() == {1: 0.796, 2: 0.832, 5: 0.863, 7: 0.711}


def networks(**changes) -> pd.DataFrame:
    facts = pd.read_csv(package_files("neuroconverge.datasets").joinpath("human_alignment_models.csv"))
    return pd.DataFrame({"model": facts["model"], "imagenet_accuracy": 70.0, "param_count": 25.0}).assign(**changes)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (networks().iloc[1:], "unknown, missing or repeated networks: vgg11"),
        (pd.concat([networks(), networks().iloc[:1]]), "repeated networks: vgg11"),
        (networks(imagenet_accuracy=np.nan), "imagenet_accuracy in row 0"),
        (networks(param_count=25e6), r"param_count \(millions\) in row 0"),
        (networks().drop(columns="param_count"), "lacks the columns param_count"),
    ],
)
def test_odd_network_lists_are_named(as_published, table, said):
    as_published({"networks": table})
    with pytest.raises(BadInput, match=said):
        datasets.human_alignment()


def test_second_table():
    table = have(datasets.human_alignment)
    assert len(table) == 89 and table["network"].nunique() == 87 and table["parameters"].notna().sum() == 49
    assert table.loc["resnet50", ["top1", "parameters"]].to_list() == [80.86, 25.56e6]
    twice = table[table.duplicated("network", keep=False)].groupby("network")["top1"].nunique()
    assert len(twice) == 2 and (twice == 1).all(), "one network under two names has one accuracy"
