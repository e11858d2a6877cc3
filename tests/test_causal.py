"""Words in running text: which tokens are a word, which tokens it sees, and that it never sees what comes later."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import have
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from neuroconverge import models
from neuroconverge.errors import BadInput
from neuroconverge.models.causal import CausalLM, rolling
from neuroconverge.models.registry import Info

pytestmark = pytest.mark.usefixtures("one_thread")
WORDS = "Act one, monkey in the middle. So there's some places where animals almost never go, places that".split()
TEXT = " ".join(WORDS)
# Checked against one window at a time, so the same to the precision of float32.
close = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(scope="module")
def smollm():
    return have(models.load, "smollm2-135m")


@pytest.fixture(scope="module")
def small(smollm, tmp_path_factory):
    """A small random network that reads SmolLM2's tokens, 48 at once; large weights, so that context matters."""
    folder = tmp_path_factory.mktemp("small")
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    LlamaForCausalLM(LlamaConfig(vocab_size=49152, initializer_range=0.3, **size)).save_pretrained(folder)
    smollm.tokenizer.save_pretrained(folder)
    return CausalLM(Info("small", "causal", "test", "", "0", layers=2, dim=16, window=48), folder, "cpu")


def by_hand(model, ids) -> np.ndarray:
    """Layers x dim: the last state of one window, read alone behind the begin-of-text token."""
    tokens = torch.tensor([[model.begin, *map(int, ids)]])
    with torch.inference_mode():
        found = model.network.base_model(tokens, output_hidden_states=True)
    return np.stack([*(layer[0, -1] for layer in found.hidden_states[:-1]), found.last_hidden_state[0, -1]])


def log_probability(model, before, token) -> float:
    with torch.inference_mode():
        scores = model.network(torch.tensor([[model.begin, *map(int, before)]])).logits[0, -1]
    return float(scores.log_softmax(0)[int(token)])


# --- which tokens are a word


def test_tokens_of_words(smollm):
    words = ["Act", "one,", "café", "🙂", "don't", "Ж\u00a0x", "12,345", "日本語", "..."]
    ids, owner = smollm._aligned(words)
    parts = [smollm.tokenizer.decode(ids[owner == i]) for i in range(len(words))]
    assert parts == ["Act", *(f" {word}" for word in words[1:])]
    assert (np.diff(owner) >= 0).all()
    assert np.array_equal(ids, smollm.tokenizer(" ".join(words), add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("bad", ["", " ", "\n", None, float("nan"), 3])
def test_what_is_no_word(bad, small):
    for method in (small.word_states, small.surprisal):
        with pytest.raises(BadInput, match=r"words\[1\]: got .*wanted a word"):
            method(["one", bad, "two"])
    with pytest.raises(BadInput, match=r"texts\[1\]\[1\]"):
        small.surprisals([["fine"], ["one", bad]])


def test_lists_of_words(small):
    for bad in ("one text", []):
        with pytest.raises(BadInput, match="words"):
            small.word_states(bad)
    assert small.word_states(np.array(WORDS[:3]), 4).shape == (3, 3, 16)
    with pytest.raises(BadInput, match=r"layers: 'layer3'.*embedding to layer2"):
        small.word_states(WORDS, 4, layers=["layer1", "layer3"])
    for options in ({"pool": "cls"}, {"mode": "whole"}, {"precision": "int8"}):
        with pytest.raises(BadInput, match=next(iter(options))):
            small.word_states(WORDS, 4, **options)


# --- which tokens a word sees


@pytest.mark.parametrize("context", [1, 3, 8, 40])
def test_exact_sees_exactly_its_last_tokens(context, small):
    found = small.word_states(WORDS, context, mode="exact")
    ids, owner = small._aligned(WORDS)
    assert found.shape == (3, len(WORDS), 16) and found.dtype == np.float32
    for i in range(len(WORDS)):
        end = np.flatnonzero(owner == i)[-1] + 1
        np.testing.assert_allclose(found[:, i], by_hand(small, ids[max(0, end - context) : end]), **close)


@pytest.mark.parametrize(("n", "context"), [(1, 1), (7, 1), (8, 1), (5, 3), (6, 3), (7, 3), (100, 3), (101, 12)])
def test_rolling_windows(n, context):
    windows = rolling(n, context)
    kept = np.concatenate([np.arange(keep, stop) for _, keep, stop in windows])
    assert np.array_equal(kept, np.arange(-1, n))  # each once, in order, the begin-of-text token too
    for start, keep, stop in windows:
        assert stop - start <= 2 * context
        if start > 0:
            assert keep - start + 1 >= context


def test_rolling_sees_what_its_window_holds(small):
    context = 5
    ids, owner = small._aligned(WORDS)
    found = small.word_states(WORDS, context)
    seen = []
    for start, keep, stop in rolling(len(ids), context):
        for token in range(max(keep, 0), stop):
            if token + 1 == len(ids) or owner[token + 1] > owner[token]:
                expected = by_hand(small, ids[start : token + 1])
                np.testing.assert_allclose(found[:, owner[token]], expected, **close)
                seen.append(min(token + 1, context) <= token + 1 - start <= 2 * context)
    assert len(seen) == len(WORDS) and all(seen)


@pytest.mark.parametrize("mode", ["exact", "rolling"])
@pytest.mark.parametrize("pool", ["last", "mean"])
def test_never_the_future(mode, pool, small):
    """Later words are replaced, then cut off: nothing before them may move."""
    options = {"context": 6, "mode": mode, "pool": pool}
    whole = small.word_states(WORDS, **options)
    for changed in (WORDS[:10] + ["quite"] * 7, WORDS[:10]):
        np.testing.assert_allclose(small.word_states(changed, **options)[:, :10], whole[:, :10], **close)
    earlier = small.word_states(["quite", *WORDS[1:]], **options)  # and an earlier word does matter, where it is seen
    assert np.abs(earlier[-1, :3] - whole[-1, :3]).max() > 0.01
    np.testing.assert_allclose(earlier[:, -3:], whole[:, -3:], **close)  # and not where it is out of sight


def test_mean_over_the_tokens_of_a_word(small):
    words = ["a", "b", "12345", "c"]
    ids, owner = small._aligned(words)
    first, last = np.flatnonzero(owner == 2)[[0, -1]]
    assert last - first == 5  # a space and five digits, a token each
    tokens = torch.tensor([[small.begin, *ids[: last + 1]]])
    with torch.inference_mode():
        expected = small.network.base_model(tokens)[0][0, first + 1 :].mean(0)
    for mode in ("exact", "rolling"):
        found = small.word_states(words, 20, layers=["layer2"], pool="mean", mode=mode)
        np.testing.assert_allclose(found[0, 2], expected, **close)
    with pytest.raises(BadInput, match=r"words\[2\] alone.*wanted at least 6"):
        small.word_states(words, 3, pool="mean", mode="exact")
    # The last token has a state under any context: of a long word it sees the end.
    found = small.word_states(words, 2, mode="exact")[:, 2]
    np.testing.assert_allclose(found, by_hand(small, ids[last - 1 : last + 1]), **close)


@pytest.mark.parametrize(("mode", "longest"), [("exact", 47), ("rolling", 23)])
def test_contexts_out_of_range(mode, longest, small):
    assert small.word_states(WORDS * 4, longest, mode=mode).shape == (3, 4 * len(WORDS), 16)
    for bad in (0, -1, longest + 1, 2.5, None, "all"):
        with pytest.raises(BadInput, match=rf"context: got .*1 to {longest} \({mode}\)"):
            small.word_states(WORDS, bad, mode=mode)
    with pytest.raises(BadInput, match="context"):
        small.surprisal(WORDS, longest + 1, mode=mode)


def test_layers_that_were_asked_for(small):
    whole = small.word_states(WORDS, 8)
    some = small.word_states(WORDS, 8, layers=["layer2", "embedding"])
    np.testing.assert_allclose(some, whole[[2, 0]], **close)


def test_half_precision_deviates_by_what_is_stated(smollm):
    whole = smollm.word_states(WORDS, 8, mode="exact")
    half = smollm.word_states(WORDS, 8, mode="exact", precision="bfloat16")
    off = np.linalg.norm(half - whole, axis=2) / np.linalg.norm(whole, axis=2)
    assert 0 < off.mean() < 0.015 and off.max() < 0.1


# --- surprisal


def test_surprisal_sums_over_tokens(small):
    ids, owner = small._aligned(WORDS)
    for context, before in ((None, 47), (3, 3)):
        expected = np.zeros(len(WORDS))
        for t, (token, word) in enumerate(zip(ids, owner, strict=True)):
            expected[word] -= log_probability(small, ids[max(0, t - before) : t], token) / np.log(2)
        np.testing.assert_allclose(small.surprisal(WORDS, context, "exact"), expected, rtol=1e-4)


def test_rolling_surprisal_and_bits_per_byte(small):
    ids, owner = small._aligned(WORDS)
    bits = np.zeros(len(ids))
    for start, keep, stop in rolling(len(ids) - 1, 4):
        for t in range(keep + 1, stop + 1):
            bits[t] = -log_probability(small, ids[start:t], ids[t]) / np.log(2)
    np.testing.assert_allclose(small.surprisal(WORDS, 4), np.bincount(owner, bits), rtol=1e-4)
    assert np.isclose(small.bits_per_byte(TEXT, 4), bits.sum() / len(TEXT.encode()), rtol=1e-4)
    # In UTF-8 the same text in Cyrillic letters has two bytes a letter.
    cyrillic = "да нет"
    assert np.isclose(small.bits_per_byte(cyrillic), small.surprisal(cyrillic.split()).sum() / 11, rtol=1e-4)


def test_many_short_texts_at_once(small):
    texts = [WORDS[:4], ["So"], WORDS[6:15]]
    for found, words in zip(small.surprisals(texts), texts, strict=True):
        np.testing.assert_allclose(found, small.surprisal(words), rtol=1e-4)
    with pytest.raises(BadInput, match=r"texts\[1\]: \d+ tokens"):
        small.surprisals([WORDS, WORDS * 4])


def test_scores_are_never_held_for_the_whole_text(small, monkeypatch):
    sizes = []
    head = small.network.get_output_embeddings()
    hook = head.register_forward_hook(lambda module, inputs, output: sizes.append(output.numel()))
    monkeypatch.setattr(models.causal, "SCORES", 10 * 49152)
    small.surprisal(WORDS * 4)
    hook.remove()
    assert len(sizes) > 8 and max(sizes) <= 10 * 49152


@pytest.mark.parametrize("bad", ["", None, ["words"]])
def test_bits_per_byte_of_what_is_no_text(bad, small):
    with pytest.raises(BadInput, match="text: got"):
        small.bits_per_byte(bad)


def test_a_trained_network_expects_english_and_its_twins_do_not(smollm):
    shuffled = list(np.random.default_rng(0).permutation(WORDS))
    trained = smollm.surprisal(WORDS).mean()
    assert trained < smollm.surprisal(shuffled).mean() - 1
    untrained, damaged = models.randomise(smollm, 0), models.degrade(smollm, 0.6, 0)
    # 49,152 tokens that are all the same to it take 15.6 bits each.
    assert abs(untrained._bits(untrained._aligned(WORDS)[0], None, "rolling").mean() - np.log2(49152)) < 0.5
    assert damaged.surprisal(WORDS).mean() > trained + 1
    assert untrained.word_states(WORDS, 4).shape == smollm.word_states(WORDS, 4).shape == (31, len(WORDS), 576)


def test_a_network_that_changes_its_scores_is_refused(small, monkeypatch):
    forward = type(small.network).forward

    def capped(self, *inputs, **options):
        found = forward(self, *inputs, **options)
        found.logits = 0.5 * torch.tanh(found.logits)
        return found

    monkeypatch.setattr(type(small.network), "forward", capped)
    with pytest.raises(BadInput, match="changes its scores"):
        small.surprisal(WORDS)


# --- cache and hub


def test_word_states_come_from_the_cache(small, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path))
    calls = []
    method = CausalLM.word_states
    monkeypatch.setattr(CausalLM, "word_states", lambda self, *a, **k: calls.append(1) or method(self, *a, **k))
    first = models.word_states(small, WORDS, 8, layers=["layer1"])
    assert np.array_equal(models.word_states(small, tuple(WORDS), 8, layers=("layer1",)), first)
    assert len(calls) == 1 and first.shape == (1, len(WORDS), 16)
    [file] = (tmp_path / "features").iterdir()
    assert file.stat().st_size < first.nbytes + 2000  # only the layer that was asked for
    for options in ({"context": 9}, {"mode": "exact"}, {"pool": "mean"}, {"precision": "bfloat16"}, {"layers": None}):
        models.word_states(small, WORDS, **{"context": 8, "layers": ["layer1"]} | options)
    models.word_states(small, WORDS[::-1], 8, layers=["layer1"])
    models.word_states(small, [" ".join(WORDS[:2]), *WORDS[2:]], 8, layers=["layer1"])
    assert len(calls) == 8


def test_arguments_have_the_order_of_the_method(small, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path))
    for arguments in ((8, ["layer1"], "mean", "exact"), (8, None, "last", "rolling", "bfloat16")):
        assert np.array_equal(models.word_states(small, WORDS, *arguments), small.word_states(WORDS, *arguments))


def test_encoders_have_no_words_in_time():
    encoder = have(models.load, "minilm-l6")
    with pytest.raises(BadInput, match="only causal models"):
        models.word_states(encoder, WORDS)


def test_learned_positions(smollm, tmp_path):
    """GPT-2 has a row of weights for each position, and no place for one more."""
    GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=24)).save_pretrained(tmp_path)
    smollm.tokenizer.save_pretrained(tmp_path)
    model = CausalLM(Info("gpt", "causal", "test", "", "0", layers=2, dim=16), tmp_path, "cpu")
    assert model.window == 24
    assert model.word_states(WORDS * 3, 23, mode="exact").shape == (3, 3 * len(WORDS), 16)
    assert np.isfinite(model.surprisal(WORDS * 3)).all()
