"""SyntaxGym: formulas are read and never run, planted grammar is found, and a network without any is not flattered."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import have

from neuroconverge import models
from neuroconverge.errors import BadInput, UnknownName
from neuroconverge.models.syntaxgym import formula, suite, suite_names

pytestmark = pytest.mark.usefixtures("one_thread")
VALUES = {("a", "1"): 1.0, ("b", "1"): 2.0, ("a", "2"): 4.0, ("b", "2"): 8.0}
NOUNS = ["author", "guard", "farmer", "pilot", "surgeon", "teacher", "consultant", "senator"] * 25


def value(condition: str, region: str) -> np.ndarray:
    return np.array([VALUES[condition, region]])


def agreement(nouns=NOUNS, predictions=None, metric="sum") -> dict:
    """A suite made by hand: the verb agrees with its noun, in the singular and in the plural."""
    versions = {"match_sing": ("", "is"), "mismatch_sing": ("", "are"), "match_plural": ("s", "are"),
                "mismatch_plural": ("s", "is")}  # fmt: skip
    items = [
        {
            "item_number": i + 1,
            "conditions": [
                {
                    "condition_name": name,
                    "regions": [
                        {"region_number": 1 + place, "content": content}
                        for place, content in enumerate(["The", noun + end, "", verb, "good"])
                    ],
                }
                for name, (end, verb) in versions.items()
            ],
        }
        for i, noun in enumerate(nouns)
    ]
    both = "((4;%match_sing%) < (4;%mismatch_sing%)) & ((4;%match_plural%) < (4;%mismatch_plural%))"
    predictions = [{"type": "formula", "formula": text} for text in predictions or [both]]
    return {"meta": {"name": "made", "metric": metric}, "items": items, "predictions": predictions}


class Scorer:
    """A language model reduced to what is asked of it."""

    def __init__(self, bits):
        self.bits = bits

    def surprisals(self, texts):
        return [np.array([self.bits(words[:i], word) for i, word in enumerate(words)]) for words in texts]


def knows_number(before: list[str], word: str) -> float:
    plural = len(before) > 1 and before[1].endswith("s")
    return 9.0 if word == ("is" if plural else "are") else 1.0


# --- formulas


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("(1;%a%) < (1;%b%)", True),
        ("(1;%b%)<(1;%a%)", False),
        ("(2;%b%) - (2;%a%) - (1;%b%) > 1", True),  # 8 - 4 - 2, from left to right
        ("(2;%b%) - ((2;%a%) - (1;%b%)) = 6", True),
        ("(1;%a%) + (1;%b%) = 3 & (2;%a%) > 10", False),
        ("(1;%a%) > 9 & (1;%a%) > 9 | (1;%a%) < 9", True),
        ("(1;%a%) = 1.0005 | (1;%a%) = 5", True),
        ("( ( 1 ; %a% ) < 2 )", True),
    ],
)
def test_formulas(text, holds):
    assert formula(text)(value).tolist() == [holds]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends where"),
        ("(1;%a%) <", "ends where"),
        ("(1;%a%) (1;%b%)", "was not expected at character 7"),
        ("((1;%a%) < 2", "do not match"),
        ("(1;%a%) < 2)", "was not expected"),
        ("< 2", "do not match"),
        ("__import__('os').system('true')", "cannot read .*__import__"),
        ("(1;%a%) ** 2", "cannot read"),
    ],
)
def test_formulas_that_cannot_be_read(text, message):
    with pytest.raises(BadInput, match=f"formula: .*{message}"):
        formula(text)


# --- planted truth, and two nulls


def test_planted_grammar_is_found():
    [row] = models.syntaxgym(Scorer(knows_number), agreement()).to_dict("records")
    assert row["accuracy"] == 1 and row["n_items"] == 200 and 0.97 < row["low"] < row["high"] <= 1
    half = agreement(NOUNS[:50])
    for item in half["items"][:20]:  # in these the verbs of two versions are exchanged
        first, second = (item["conditions"][i]["regions"][3] for i in (0, 1))
        first["content"], second["content"] = second["content"], first["content"]
    [row] = models.syntaxgym(Scorer(knows_number), [half]).to_dict("records")
    assert row["accuracy"] == 0.6 and row["low"] == pytest.approx(0.4618, abs=1e-3)
    assert models.syntaxgym(Scorer(knows_number), half, n_items=20).accuracy[0] == 0


def test_surprisal_at_random_meets_chance():
    rng = np.random.default_rng(0)
    found = models.syntaxgym(Scorer(lambda before, word: rng.exponential()), agreement(NOUNS * 10))
    assert found.chance[0] == pytest.approx(0.25, abs=0.01)
    assert found.low[0] < 0.25 < found.high[0]


def test_words_without_order_fall_below_chance():
    """Who likes "is" more than "are" wherever it stands is right once and wrong once in every item."""
    found = models.syntaxgym(Scorer(lambda before, word: len(word)), agreement())
    assert found.accuracy[0] == 0


def test_empty_regions_and_all_regions():
    texts = []

    class Recorder(Scorer):
        def surprisals(self, found):
            texts.extend(found)
            return super().surprisals(found)

    predictions = ["(3;%match_sing%) = 0", "(*;%match_sing%) = 4", "(*;%match_sing%) < (*;%mismatch_sing%)"]
    found = models.syntaxgym(Recorder(knows_number), agreement(NOUNS[:2], predictions))
    assert texts[0] == ["The", "author", "is", "good"]
    assert found.accuracy.tolist() == [1, 1, 1] and found.prediction.tolist() == [1, 2, 3]


def test_suites_that_are_none():
    scorer = Scorer(knows_number)
    with pytest.raises(UnknownName, match="number_orc"):
        models.syntaxgym(scorer, "number_ors")
    with pytest.raises(BadInput, match="not a suite"):
        models.syntaxgym(scorer, {"items": []})
    with pytest.raises(BadInput, match="metric 'mean'"):
        models.syntaxgym(scorer, agreement(metric="mean"))
    with pytest.raises(BadInput, match="no region 9 in a condition named match_sing"):
        models.syntaxgym(scorer, agreement(predictions=["(9;%match_sing%) > 1"]))
    with pytest.raises(BadInput, match="prediction 1 of made is not a comparison"):
        models.syntaxgym(scorer, agreement(predictions=["(4;%match_sing%) - 1"]))
    odd = agreement()
    odd["items"][3]["conditions"][1]["regions"].pop()
    with pytest.raises(BadInput, match=r"items\[3\] of made"):
        models.syntaxgym(scorer, odd)
    with pytest.raises(BadInput, match="causal"):
        models.syntaxgym("smollm2-135m", agreement())


# --- the published suites, and a real network


@pytest.fixture(scope="module")
def published():
    return [have(suite, name) for name in suite_names()]


def test_published_suites(published):
    assert len(published) == 31 and sum(len(found["items"]) for found in published) == 799
    rng = np.random.default_rng(0)
    found = models.syntaxgym(Scorer(lambda before, word: rng.exponential()))
    assert len(found) == 32  # one suite makes two predictions
    assert (found.accuracy - found.chance).abs().max() < 0.35
    assert abs((found.accuracy - found.chance).mean()) < 0.03


def test_a_trained_network_knows_grammar_and_its_untrained_twin_does_not(published):
    model = have(models.load, "smollm2-135m")
    names = ["fgd_object", "mvrr"]  # two of those that this small model is good at
    trained, untrained = (models.syntaxgym(m, names, n_items=8) for m in (model, models.randomise(model, 0)))
    assert (trained.low > trained.chance).all()
    assert (untrained.low < untrained.chance).all() and untrained.accuracy.mean() < trained.accuracy.mean() - 0.3
    # The regions' bits are those of the sentence read as one text.
    text = [region["content"] for region in published[-4]["items"][0]["conditions"][0]["regions"]]
    np.testing.assert_allclose(model.surprisals([text])[0], model.surprisal(text), rtol=1e-3)
