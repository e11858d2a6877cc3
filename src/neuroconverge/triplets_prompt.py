"""Odd-one-out choices of a language model that is asked in words, freed from the order in which it was asked.

Each triplet is asked in all six orders of its objects, and scored by how likely the model finds each of the three
names as its whole answer. A liking for one place in the list adds the same to whatever stands there; each object
stands in each place twice, so that the mean log probability over six orders is free of it.

What all prompts begin with is read once; each prompt is read once, and its three answers go on from there. That reads
an eighth of the tokens of 18 whole texts a triplet, to the same numbers. Prompts of one length are read together, so
that no mask is needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from .checks import one_of
from .errors import BadInput
from .triplets_data import Triplets, checked_rows, in_order

QUESTION = "Three things follow. Which one of them is the odd one out? Answer with its name alone.\n{objects}"
CONTENT_FREE = "N/A"  # as in Zhao 2021
SCORINGS = ("calibrated", "likelihood", "answer")
ORDERS = np.array(list(permutations(range(3))))  # (orders, places): the column that is named there
PLACES = np.argsort(ORDERS, axis=1)  # (orders, columns): the place where that column is named
TIE = 1e-4  # nats: sums of float32 are no more exact
TOKENS = 512  # read at once: the cache of more does not stay close to the processor
SCORES = 1 << 25  # held at once: 128 MB
_OBJECTS, _ANSWER = "\ue000", "\ue001"  # private characters, which no template changes


@dataclass(frozen=True)
class PromptChoices:
    """What a language model chose, and how much of it hung on the order of the question.

    ``choices`` (n,): the column chosen after all six orders, -1 where none was answered. ``order_choices`` (n, 6): in
    each order of ``ORDERS``. ``log_probabilities`` (n, 6, 3): of each option in the triplet's own columns, nats;
    ``neutral`` (n, 3): of the same name when the question names no objects. ``answers``: the texts (n, 6), ``parsed``:
    the columns they name, or None. ``position_share`` (3,): share of all answers that took the object named first,
    second, third; a third each without a bias. ``position_accuracy`` (3,): share of right answers where the odd one,
    which is the last column, was named first, second, third. ``agreement``: how often two orders choose the same
    object; chance is a third.
    ``n_unanswered``: of the 6 n questions, those without a readable answer; 0 unless answers are read.
    """

    choices: np.ndarray
    order_choices: np.ndarray
    log_probabilities: np.ndarray
    neutral: np.ndarray
    answers: np.ndarray | None
    position_share: np.ndarray
    position_accuracy: np.ndarray
    agreement: float
    n_unanswered: int
    scoring: str
    parsed: np.ndarray | None

    @classmethod
    def read(cls, log_probabilities, neutral, scoring="calibrated", seed=0, answers=None, parsed=None) -> PromptChoices:
        """Choices from the numbers of an earlier reading, which may have been kept; raises BadInput."""
        rng = np.random.default_rng(seed)
        if one_of(scoring, "scoring", SCORINGS) == "answer":
            if parsed is None:
                raise BadInput("scoring: no answers were asked for; wanted answer_tokens above 0")
            order_choices = parsed
            votes = (parsed[..., None] == np.arange(3)).sum(1)
            choices = np.where(votes.any(1), _largest(votes, rng), -1)
        else:
            scores = log_probabilities - neutral[:, None] if scoring == "calibrated" else log_probabilities
            order_choices, choices = _largest(scores, rng), _largest(scores.mean(1), rng)
        answered = order_choices >= 0
        places = np.take_along_axis(PLACES[None], order_choices[..., None], 2)[..., 0]
        one, other = (order_choices[:, orders] for orders in np.triu_indices(6, 1))
        right = order_choices == 2
        return cls(
            choices=choices,
            order_choices=order_choices,
            log_probabilities=log_probabilities,
            neutral=neutral,
            answers=answers,
            position_share=np.array([_mean((places == place)[answered]) for place in range(3)]),
            position_accuracy=np.array([_mean(right[answered & (PLACES[:, 2] == place)]) for place in range(3)]),
            agreement=_mean((one == other)[(one >= 0) & (other >= 0)]),
            n_unanswered=int((~answered).sum()),
            scoring=scoring,
            parsed=parsed,
        )

    def by(self, scoring: str, seed: int = 0) -> PromptChoices:
        """The same reading scored in another way, which costs nothing; raises BadInput."""
        return self.read(self.log_probabilities, self.neutral, scoring, seed, self.answers, self.parsed)


def choose_by_prompt(
    causal_lm,
    concepts: Sequence[str] | pd.Series,
    triplets,
    question: str = QUESTION,
    scoring: str = "calibrated",
    answer_tokens: int = 0,
    seed: int = 0,
) -> PromptChoices:
    """Ask a causal language model which of three objects is the odd one out, in all six orders.

    ``causal_lm``: has ``tokenizer``, ``network``, ``device``, ``begin`` and ``window``, as ``models.load`` gives them;
    a chat template is used where the tokenizer has one. ``concepts``: names in the order of the object numbers, or a
    Series that is joined to named triplets. ``question``: a text with ``{objects}``. ``scoring``: ``likelihood``, the
    summed log probability of a name and the token that ends an answer; ``calibrated``, that less the same under a
    question without content (Zhao 2021), so that a long or rare name is not held against an object; ``answer``, the
    most frequent of six greedy answers of ``answer_tokens`` tokens, where an answer that names none or several of the
    three is no answer, never that of another trial. Ties are broken at random with ``seed``. Raises BadInput.
    """
    rows, names = _named(concepts, triplets)
    if not isinstance(question, str) or question.count("{objects}") != 1:
        raise BadInput("question: wanted a text that holds {objects} once, where the three names go")
    if answer_tokens < 0 or (scoring == "answer" and not answer_tokens):
        raise BadInput(f"answer_tokens: got {answer_tokens}; wanted how many tokens an answer may have, such as 12")
    one_of(scoring, "scoring", SCORINGS)
    form = _Form(causal_lm, question)
    used = np.unique(rows)
    options = {k: form.option(names[k]) for k in used}
    empty = form.prompts([CONTENT_FREE])[0]
    neutral = np.zeros(len(names))
    neutral[used] = _read(causal_lm, [empty] * len(used), [[options[k]] for k in used])[0][:, 0]
    prompts = form.prompts([", ".join(names[k] for k in row[order]) for row in rows for order in ORDERS])
    asked = [[options[k] for k in row] for row in rows for _ in ORDERS]
    found, tokens = _read(causal_lm, prompts, asked, answer_tokens)
    answers = parsed = None
    if answer_tokens:
        answers = np.array([form.text(ids) for ids in tokens], dtype=object).reshape(-1, 6)
        of_prompts = [[names[k] for k in row] for row in rows for _ in ORDERS]
        parsed = np.array([read_answer(*pair) for pair in zip(answers.flat, of_prompts, strict=True)]).reshape(-1, 6)
    return PromptChoices.read(found.reshape(-1, 6, 3), neutral[rows], scoring, seed, answers, parsed)


def read_answer(answer: str, names: Sequence[str]) -> int:
    """Which of the names an answer gives; -1 if none, or more than one. What stands in brackets may be left out."""
    bare = [re.sub(r"\s*\(.*?\)", "", name) for name in names]
    forms = {name.casefold(): i for i, name in enumerate(names)}
    forms |= {name.casefold(): i for i, name in enumerate(bare) if bare.count(name) == 1 and name}
    longest = sorted(map(re.escape, forms), key=len, reverse=True)
    found = {forms[match] for match in re.findall(rf"(?<!\w)(?:{'|'.join(longest)})(?!\w)", answer.casefold())}
    return found.pop() if len(found) == 1 else -1


def _named(concepts, triplets) -> tuple[np.ndarray, list[str]]:
    if isinstance(triplets, Triplets) and isinstance(concepts, pd.Series):
        concepts = in_order(concepts, triplets.ids, "concepts")
    if isinstance(concepts, str) or len(concepts) < 3:
        raise BadInput("concepts: wanted a list of at least 3 names")
    names = list(concepts)
    for i, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise BadInput(f"concepts: number {i} is {name!r}; wanted a name")
    names = [name.strip() for name in names]
    if isinstance(triplets, Triplets) and len(names) != len(triplets.ids):
        raise BadInput(f"concepts: {len(names)} names for the {len(triplets.ids)} objects of the triplets")
    rows = triplets.rows if isinstance(triplets, Triplets) else checked_rows(triplets, len(names))
    codes = pd.factorize(pd.Series(names).str.casefold())[0][rows]
    same = (codes == np.roll(codes, 1, axis=1)).any(1)
    if same.any():
        shown = ", ".join(names[k] for k in rows[same.argmax()])
        raise BadInput(f"concepts: two names in row {same.argmax()} of the triplets are the same: {shown}; drop it")
    return rows, names


class _Form:
    """How a question is put to one model: as a turn in its chat template, or as question and answer."""

    def __init__(self, model, question: str):
        self.model, self.tokenizer = model, model.tokenizer
        text = question.replace("{objects}", _OBJECTS)
        whole = f"Question: {text}\nAnswer: {_ANSWER}\n"
        if getattr(self.tokenizer, "chat_template", None):
            turns = [{"role": "user", "content": text}, {"role": "assistant", "content": _ANSWER}]
            whole = self.tokenizer.apply_chat_template(turns, tokenize=False)
        self.start, self.middle, end = re.split(f"[{_OBJECTS}{_ANSWER}]", whole)
        # Tokens hold the space before a word: it belongs to the answer.
        self.space = self.middle[len(self.middle.rstrip(" ")) :]
        self.middle = self.middle.rstrip(" ")
        self.lead = self.start + CONTENT_FREE + self.middle
        self.closing = self._after(f"{self.lead}{self.space}one", end)[0]

    def prompts(self, objects: list[str]) -> list[list[int]]:
        """Token ids up to where the answer begins; raises BadInput for what the model cannot read at once."""
        prompts = self._ids([self.start + text + self.middle for text in objects])
        begin = self.model.begin
        return [ids if ids[0] == begin else [begin, *ids] for ids in prompts]

    def option(self, name: str) -> list[int]:
        """Token ids of a name and of what ends an answer, without which ``ice`` would beat ``ice cream``."""
        return [*self._after(self.lead, self.space + name), self.closing]

    def text(self, ids: list[int]) -> str:
        kept = ids[: ids.index(self.closing)] if self.closing in ids else ids
        return self.tokenizer.decode(kept, skip_special_tokens=True).strip()

    def _after(self, before: str, text: str) -> list[int]:
        head, whole = self._ids([before, before + text])
        if whole[: len(head)] != head or len(whole) == len(head):
            raise BadInput(f"causal_lm: its tokens run over the border between {before[-20:]!r} and {text!r}")
        return whole[len(head) :]

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]


@torch.inference_mode()
def _read(model, prompts: list, options: list, answer_tokens: int = 0) -> tuple[np.ndarray, list[list[int]]]:
    """Log probability (prompts, options) of each option after its prompt, nats, and greedy answers as token ids."""
    longest = max(map(len, prompts)) + max(answer_tokens, *(len(option) for each in options for option in each))
    if longest > model.window:
        raise BadInput(f"question: with its answer it has {longest} tokens; the model reads at most {model.window}")
    # Each prompt keeps at least one token of its own, from which its answer is told.
    shared = os.path.commonprefix(prompts)[: min(map(len, prompts)) - 1]

    def step(ids: list | torch.Tensor, cache=None, keep: int = 1):
        given = {} if cache is None else {name: cache}
        ids = torch.as_tensor(ids, device=model.device)
        return model.network(ids, use_cache=True, logits_to_keep=keep, **given)

    whole = step([shared])
    name = "cache" if "cache" in whole else "past_key_values"  # as this version of transformers calls it
    scores, tokens = np.zeros((len(prompts), len(options[0]))), [[] for _ in prompts]
    with tqdm(total=len(prompts), desc="prompts", delay=2, leave=False) as bar:
        for batch in _batches(prompts, options, len(shared), whole.logits.shape[-1]):
            cache = deepcopy(whole[name])
            cache.batch_repeat_interleave(len(batch))
            found = step([prompts[i][len(shared) :] for i in batch], cache)
            first, cache = found.logits[:, -1].float(), found[name]
            if answer_tokens:
                for i, ids in zip(batch, _greedy(step, name, first, deepcopy(cache), answer_tokens), strict=True):
                    tokens[i] = ids
            scores[batch] = _options(step, first, cache, [options[i] for i in batch])
            bar.update(len(batch))
    return scores, tokens


def _batches(prompts: list, options: list, n_shared: int, n_words: int) -> Iterator[list[int]]:
    """Numbers of prompts to read together: of one length, those with the longest option first."""
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), max(map(len, options[i]))), reverse=True)
    while order:
        length = len(prompts[order[0]])
        more = len(options[0]) * max(map(len, options[order[0]]))
        size = max(1, min(TOKENS // (length - n_shared + more), SCORES // (n_words * more)))
        same = sum(len(prompts[i]) == length for i in order[:size])
        yield order[:same]
        order = order[same:]


def _options(step: Callable, first: torch.Tensor, cache, options: list) -> np.ndarray:
    """Log probability (prompts, options), from the scores of the first token (prompts, words) and the cache there."""
    flat = [option for each in options for option in each]
    length, k = max(map(len, flat)), len(options[0])
    # What fills up a short option comes after it, where a causal network does not look.
    ids = torch.tensor([option + [0] * (length - len(option)) for option in flat], device=first.device)
    lengths = torch.tensor([len(option) for option in flat], device=first.device)
    there = torch.arange(length, device=first.device) < lengths[:, None]
    logs = torch.zeros(ids.shape, device=first.device)
    logs[:, 0] = first.log_softmax(1).gather(1, ids[:, 0].view(-1, k)).view(-1)
    if length > 1:
        cache.batch_repeat_interleave(k)
        rest = step(ids[:, :-1], cache, keep=0).logits.float()
        logs[:, 1:] = rest.gather(2, ids[:, 1:, None])[..., 0] - rest.logsumexp(2)
    return (logs * there).sum(1).view(-1, k).double().cpu().numpy()


def _greedy(step: Callable, name: str, first: torch.Tensor, cache, n: int) -> list[list[int]]:
    ids = [first.argmax(1, keepdim=True)]
    for _ in range(n - 1):
        found = step(ids[-1], cache)
        cache = found[name]
        ids.append(found.logits[:, -1].argmax(1, keepdim=True))
    return torch.cat(ids, 1).tolist()


def _mean(hits: np.ndarray) -> float:
    return float(hits.mean()) if hits.size else np.nan


def _largest(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Place of the largest along the last axis; those within ``TIE`` of it are as large, and one is drawn."""
    top = scores >= scores.max(-1, keepdims=True) - TIE
    return np.where(top, rng.random(scores.shape), -1).argmax(-1)
