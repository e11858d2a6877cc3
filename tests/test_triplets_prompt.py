"""Asking a language model for the odd one out: planted choices and planted biases, against one plain pass a text."""

from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import have
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from neuroconverge import BadInput, simulate, triplets
from neuroconverge import models as networks
from neuroconverge.triplets_prompt import CONTENT_FREE, ORDERS, QUESTION, read_answer

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = ["bat", "cup", "dog", "ice", "ice cream", "oak tree", "red bell pepper", "sun", "van", "wolf", "yew", "zip"]
IDS = [f"id{i}" for i in range(len(NAMES))]
CONCEPTS = pd.Series(NAMES, index=IDS)
CHAT = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>{% endfor %}"
PLAIN = f"Question: {QUESTION}\nAnswer:"


def reader(chat: str | None = None) -> PreTrainedTokenizerFast:
    """A word a token, and a token for each mark and line break."""
    marks = ["?", "<", ">", ",", ".", ":", "/", "\n", "end", "user", "assistant"]
    words = dict.fromkeys(" ".join([*NAMES, PLAIN, CONTENT_FREE, "one"]).replace("\n", " ").split())
    words = {part.strip("?,.:/") for word in words for part in word.split("/")} - {""}
    vocabulary = {word: i for i, word in enumerate(["[begin]", "[unknown]", *marks, *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[unknown]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Split(" ", "removed"), pre_tokenizers.Punctuation()]
    )
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="[begin]")
    made.chat_template = chat
    return made


def model(network, tokenizer=None, window=200):
    return SimpleNamespace(
        network=network, tokenizer=tokenizer or reader(), device=torch.device("cpu"), begin=0, window=window
    )


def llama(seed=0, size=49152):
    torch.manual_seed(seed)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    return LlamaForCausalLM(LlamaConfig(vocab_size=size, initializer_range=0.3, **shape)).eval()


def gpt2(seed=0):
    torch.manual_seed(seed)
    return GPT2LMHeadModel(GPT2Config(vocab_size=100, n_embd=16, n_layer=2, n_head=2, initializer_range=0.3)).eval()


class Seen(list):
    """The cache of the planted network: the tokens that each row has read."""

    def batch_repeat_interleave(self, n):
        self[:] = [row for row in self for _ in range(n)]


class Output(dict):
    __getattr__ = dict.__getitem__


class PLANTED:
    """SIMULATED network that answers the question it finds in the text.

    ``score(names)``: the log odds of each of the names, in the order in which they were listed. ``prior``: log odds of
    each name before any question. ``says``: what it starts every answer with instead of a name.
    """

    def __init__(self, score, prior=None, says=None, key="cache"):
        self.score, self.prior, self.says, self.key = score, prior or {}, says, key
        self.tokenizer = reader()
        self.tail = self.ids("\nAnswer:")

    def ids(self, text):
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def first(self, name):
        return self.ids(name)[0]

    def __call__(self, ids, use_cache, logits_to_keep, **cache):
        before = next(iter(cache.values()), None) or [[] for _ in ids]
        seen = Seen([*old, *new] for old, new in zip(before, ids.tolist(), strict=True))
        logits = torch.zeros(*ids.shape, len(self.tokenizer)).double()
        for row, old, out in zip(seen, before, logits, strict=True):
            for place in range(len(out)):
                out[place] = self.next_word(row[: len(old) + place + 1])
        return Output({"logits": logits if not logits_to_keep else logits[:, -logits_to_keep:], self.key: seen})

    def next_word(self, text):
        out = torch.full((len(self.tokenizer),), -30.0).double()
        start = next((i for i in range(len(text)) if text[i : i + len(self.tail)] == self.tail), None)
        if start is None:
            return out
        asked, said = text[:start], text[start + len(self.tail) :]
        named = sorted((i for i in map(self.first, NAMES) if i in asked), key=asked.index)
        named = [name for i in named for name in NAMES if self.first(name) == i]
        scores = dict.fromkeys(NAMES, 0.0) | self.prior
        for name, score in zip(named, self.score(named) if named else [], strict=True):
            scores[name] += score
        if said:
            out[self.ids("\n")[0]] = 0.0
        elif self.says and named and self.says(named):
            out[self.ids("one")[0]] = 20.0
        else:
            for name, score in scores.items():
                out[self.first(name)] = score
        return out


ONE_WORD = [0, 1, 2, 7, 8, 9, 10, 11]  # names of one token each, and none the start of another


def one_word_triplets(n=40, seed=0):
    """SIMULATED choices without noise, from a known embedding of the names that are one token long."""
    values = np.random.default_rng(3).random((len(ONE_WORD), 4))  # dense, so that no two pairs are tied
    table = pd.DataFrame(values, index=[IDS[i] for i in ONE_WORD])
    return table, simulate.triplet_choices(table, n, temperature=1e-6, seed=seed)


def concepts():
    return CONCEPTS.iloc[ONE_WORD]


def odd_by(table):
    """Log odds of being odd: the similarity of the two others."""

    def score(names):
        rows = table.to_numpy()[[[NAMES[i] for i in ONE_WORD].index(name) for name in names]]
        return [float(rows[(i + 1) % 3] @ rows[(i + 2) % 3]) for i in range(3)]

    return score


def place_bias(table, bias):
    return lambda names: [own + more for own, more in zip(odd_by(table)(names), bias, strict=True)]


# --- truth


@pytest.mark.parametrize("key", ["cache", "past_key_values"])
def test_a_planted_choice_is_recovered_under_a_bias_that_one_order_shows(key):
    table, choices = one_word_triplets()
    spread = table.to_numpy() @ table.to_numpy().T
    bias = (0.5 * spread.std(), 0.0, 0.0)
    found = triplets.choose_by_prompt(model(PLANTED(place_bias(table, bias), key=key)), concepts(), choices)
    assert triplets.accuracy(found.choices, choices).accuracy == 1
    assert found.position_share[0] > 0.4 and found.agreement < 0.95
    assert (found.order_choices == 2).mean() < 0.95
    assert found.position_accuracy[0] == 1 > found.position_accuracy[1]
    assert found.n_unanswered == 0 and found.log_probabilities.shape == (len(choices), 6, 3)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_pure_bias_is_reported_and_leaves_chance(place):
    _, choices = one_word_triplets(n=60)
    bias = [3.0 * (place == k) for k in range(3)]
    found = triplets.choose_by_prompt(model(PLANTED(lambda names: bias)), concepts(), choices)
    assert found.position_share[place] == 1 and found.agreement == pytest.approx(3 / 15)
    assert 0.15 < (found.choices == 2).mean() < 0.52
    # In the order of the file the odd one is last: one order alone would be right always, or never.
    assert (found.order_choices[:, 0] == 2).mean() == (place == 2)
    assert (found.order_choices == 2).mean() == pytest.approx(1 / 3)
    assert found.position_accuracy.tolist() == [float(place == k) for k in range(3)]


def test_no_preference_is_chance_in_every_reading():
    _, choices = one_word_triplets(n=150)
    found = triplets.choose_by_prompt(model(PLANTED(lambda names: [0.0] * 3)), concepts(), choices)
    for right in (found.choices == 2, *(found.order_choices == 2).T):
        assert 0.2 < right.mean() < 0.47
    assert np.allclose(found.position_share, 1 / 3, atol=0.05) and found.agreement == pytest.approx(1 / 3, abs=0.05)


def test_a_common_word_wins_by_likelihood_and_not_once_calibrated():
    table, choices = one_word_triplets()
    common = PLANTED(odd_by(table), prior={"cup": 25.0, "wolf": -25.0})
    found = triplets.choose_by_prompt(model(common), concepts(), choices)
    assert (found.choices == 2).all()
    plain = found.by("likelihood")
    cup = concepts().index.get_loc("id1")
    assert (choices.rows[np.arange(len(choices)), plain.choices] == cup)[(choices.rows == cup).any(1)].all()
    assert (plain.choices == 2).mean() < 0.9 and plain.scoring == "likelihood"
    assert np.array_equal(plain.log_probabilities, found.log_probabilities)


def test_answers_are_read_and_what_is_no_answer_stays_without_one():
    table, choices = one_word_triplets()
    silent = PLANTED(odd_by(table), says=lambda names: "dog" in names)
    found = triplets.choose_by_prompt(model(silent), concepts(), choices, scoring="answer", answer_tokens=4)
    dog = (choices.rows == concepts().index.get_loc("id2")).any(1)
    assert 0 < dog.sum() < len(dog)
    assert (found.choices[dog] == -1).all() and (found.choices[~dog] == 2).all()
    assert found.n_unanswered == 6 * dog.sum() and found.agreement == 1
    assert np.allclose(found.position_share, 1 / 3)
    assert set(found.answers[dog].flat) == {"one"}
    assert found.by("likelihood").n_unanswered == 0
    # One of two orders answered is enough for a choice.
    half = PLANTED(odd_by(table), says=lambda names: names.index(sorted(names)[0]) > 0)
    found = triplets.choose_by_prompt(model(half), concepts(), choices, scoring="answer", answer_tokens=2)
    assert (found.choices == 2).all() and found.n_unanswered == 4 * len(choices)
    with pytest.raises(BadInput, match="answer_tokens"):
        triplets.choose_by_prompt(model(half), concepts(), choices).by("answer")


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("Wolf.", 0),
        ("The odd one out is the wolf", 0),
        ("ice cream", 2),
        ("ice", 1),
        ("wolf, ice, ice cream", -1),
        ("I cannot tell", -1),
        ("wolfhound", -1),
        ("", -1),
    ],
)
def test_reading_an_answer(answer, read):
    assert read_answer(answer, ["wolf (animal)", "ice", "ice cream"]) == read


def test_what_stands_in_brackets_is_needed_where_the_rest_is_the_same():
    names = ["bat (animal)", "bat (sports equipment)", "cup"]
    assert [read_answer(text, names) for text in ("bat", "the bat (animal)", "a cup")] == [-1, 0, 2]


# --- the same numbers as one plain pass a text


def by_hand(lm, prompt, answer):
    """Log probability of the answer after the prompt, the whole text read alone."""
    before, whole = (lm.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, prompt + answer))
    if before[0] != lm.begin:
        before, whole = [lm.begin, *before], [lm.begin, *whole]
    assert whole[: len(before)] == before
    with torch.inference_mode():
        logs = lm.network(torch.tensor([whole])).logits[0].log_softmax(1)
    return sum(float(logs[place - 1, whole[place]]) for place in range(len(before), len(whole)))


def compared(lm, names, rows, prompt, answer):
    found = triplets.choose_by_prompt(lm, names, rows)
    for i, row in enumerate(rows):
        for k, order in enumerate(permutations(range(3))):
            objects = ", ".join(names[row[column]] for column in order)
            plain = [by_hand(lm, prompt.format(objects=objects), answer.format(names[column])) for column in row]
            np.testing.assert_allclose(found.log_probabilities[i, k], plain, rtol=1e-4, atol=1e-4)
        neutral = [by_hand(lm, prompt.format(objects=CONTENT_FREE), answer.format(names[column])) for column in row]
        np.testing.assert_allclose(found.neutral[i], neutral, rtol=1e-4, atol=1e-4)
    return found


ROWS = np.array([[0, 1, 2], [3, 4, 5], [6, 4, 1], [11, 5, 6], [9, 8, 7]])


@pytest.mark.parametrize("network", [llama(size=100), gpt2()], ids=["llama", "gpt2"])
@pytest.mark.parametrize("chat", [None, CHAT], ids=["plain", "chat"])
def test_the_same_as_one_plain_pass_a_text(network, chat, monkeypatch):
    monkeypatch.setattr("neuroconverge.triplets_prompt.TOKENS", 60)  # several batches, and some of one prompt
    prompt, answer = (f"<user>{QUESTION}<end><assistant>", "{}<") if chat else (PLAIN, " {}\n")
    compared(model(network, reader(chat)), NAMES, ROWS, prompt, answer)


def test_the_same_with_the_tokens_and_the_template_of_a_real_model():
    smollm = have(networks.load, "smollm2-135m")
    lm = model(llama(), smollm.tokenizer, window=300)
    lm.begin = smollm.begin
    names = ["bat (animal)", "air conditioner", "aluminum foil (food packaging)", "dog", "x-ray", "t-shirt"]
    turn = [{"role": "user", "content": QUESTION}]
    prompt = smollm.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    found = compared(lm, names, np.array([[0, 1, 2], [3, 4, 5]]), prompt, "{}<|im_end|>")
    assert np.isfinite(found.neutral).all()


def test_greedy_answers_are_those_of_the_network_step_by_step():
    lm = model(llama(size=100), reader(CHAT))
    found = triplets.choose_by_prompt(lm, NAMES, ROWS[:2], answer_tokens=5)
    for i, row in enumerate(ROWS[:2]):
        for k, order in enumerate(ORDERS):
            text = f"<user>{QUESTION}<end><assistant>".format(objects=", ".join(NAMES[row[c]] for c in order))
            ids = [0, *lm.tokenizer(text, add_special_tokens=False)["input_ids"]]
            start = len(ids)
            with torch.inference_mode():
                for _ in range(5):
                    ids.append(int(lm.network(torch.tensor([ids])).logits[0, -1].argmax()))
            closing = lm.tokenizer.convert_tokens_to_ids("<")
            said = ids[start:]
            said = said[: said.index(closing)] if closing in said else said
            assert found.answers[i, k] == lm.tokenizer.decode(said, skip_special_tokens=True).strip()


# --- bad input


@pytest.mark.parametrize(
    ("names", "rows", "says"),
    [
        (NAMES[:2], [[0, 1, 2]], "at least 3 names"),
        ("bat", [[0, 1, 2]], "at least 3 names"),
        (["bat", "", "cup"], [[0, 1, 2]], "number 1 is ''"),
        (["bat", np.nan, "cup"], [[0, 1, 2]], "number 1 is nan"),
        (["bat", "dog", "Bat ", "cup"], [[0, 1, 3], [0, 1, 2]], "row 1 .* are the same: bat, dog, Bat"),
        (NAMES, [[0, 1, 12]], "objects 0 to 11"),
        (NAMES, [[0, 1]], "three columns"),
        (NAMES, [[0, 1, 1]], "twice"),
        (CONCEPTS.drop("id4"), triplets.Triplets([[0, 1, 2]], IDS), "no row for 1 objects of the triplets: id4"),
        (NAMES[:5], triplets.Triplets([[0, 1, 2]], IDS), "5 names for the 12 objects"),
        (pd.concat([CONCEPTS, CONCEPTS[:1]]), triplets.Triplets([[0, 1, 2]], IDS), "'id0' has more than one row"),
    ],
)
def test_names_and_triplets_that_do_not_fit_are_refused(names, rows, says):
    with pytest.raises(BadInput, match=says):
        triplets.choose_by_prompt(model(llama(size=100)), names, rows)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"question": "Which?"}, r"holds \{objects\} once"),
        ({"scoring": "vote"}, "calibrated, likelihood, answer"),
        ({"scoring": "answer"}, "answer_tokens: got 0"),
        ({"answer_tokens": -1}, "answer_tokens: got -1"),
        ({"question": "word " * 300 + "{objects}"}, "reads at most 200"),
    ],
)
def test_questions_that_cannot_be_asked_are_refused(options, says):
    with pytest.raises(BadInput, match=says):
        triplets.choose_by_prompt(model(llama(size=100)), NAMES, ROWS, **options)


def test_names_are_joined_on_ids_and_not_on_order():
    lm, rows = model(llama(size=100)), triplets.Triplets(ROWS, IDS)
    found = triplets.choose_by_prompt(lm, CONCEPTS, rows)
    shuffled = triplets.choose_by_prompt(lm, CONCEPTS.sample(frac=1, random_state=0), rows)
    assert np.array_equal(found.log_probabilities, shuffled.log_probabilities)
    assert np.array_equal(found.choices, triplets.choose_by_prompt(lm, NAMES, ROWS).choices)
