"""SyntaxGym: does a language model expect the grammatical version? Suites of Hu et al. (2020).

An item is one sentence in several versions (conditions), cut into regions. A prediction is a formula over the
surprisal of regions, such as ``(7;%match%) < (7;%mismatch%)``: region 7 surprises less in the version that agrees.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from .. import datasets
from ..errors import BadInput, UnknownName

GROUP = "syntaxgym"
TOKEN = re.compile(
    r"\s*(?:\(\s*(?P<region>\d+|\*)\s*;\s*%(?P<condition>[\w-]+)%\s*\)|(?P<number>\d+(?:\.\d+)?)|(?P<sign>[-+<>=&|()]))"
)
# Loosest first; operators of one level bind from left to right.
LEVELS: tuple[dict[str, Callable], ...] = (
    {"&": np.logical_and, "|": np.logical_or},
    {"<": np.less, ">": np.greater, "=": lambda a, b: np.isclose(a, b, rtol=1e-5, atol=1e-3)},
    {"+": np.add, "-": np.subtract},
)
DRAWS = 100_000
Formula = Callable[[Callable], np.ndarray]


def syntaxgym(model, suites: Sequence[str | dict] | None = None, n_items: int | None = None) -> pd.DataFrame:
    """Share of items whose prediction holds, one row a prediction: accuracy, low, high (Wilson, 95 %), n, chance.

    ``model``: has ``surprisals(texts)``, as causal models do. ``suites``: names, or suites of your own in the JSON
    form of SyntaxGym; None for all 31. ``n_items``: only the first so many of each suite. ``chance``: how often the
    prediction holds when the surprisal of every region is drawn at random; a network that knows the words and not
    their order can fall below it. Raises BadInput, UnknownName or DataUnavailable.
    """
    if not hasattr(model, "surprisals"):
        raise BadInput(f"model: {model!r} gives no surprisal; wanted a causal language model")
    suites = suite_names() if suites is None else [suites] if isinstance(suites, (str, dict)) else list(suites)
    loaded = [_checked(suite(item) if isinstance(item, str) else item) for item in suites]
    return pd.DataFrame([row for one in loaded for row in _rows(model, one, n_items)])


def suite_names() -> list[str]:
    """Names of the suites that can be had."""
    return [name.partition("/")[2].removesuffix(".json") for name in datasets.names(GROUP)]


def suite(name: str) -> dict:
    """One suite as published; raises UnknownName or DataUnavailable."""
    if name not in suite_names():
        raise UnknownName("suite", name, suite_names())
    return json.loads(datasets.fetch(f"{GROUP}/{name}.json").read_text(encoding="utf-8"))


def formula(text: str) -> Formula:
    """A prediction as a function of ``value(condition, region)``; nothing of it is run as code. Raises BadInput."""
    tokens, place = [], 0
    while text[place:].strip():
        match = TOKEN.match(text, place)
        if match is None:
            raise BadInput(f"formula: cannot read {text[place : place + 20]!r} at character {place} of {text!r}")
        tokens.append(match)
        place = match.end()
    parsed, rest = _level(tokens, 0, text)
    if rest:
        raise BadInput(
            f"formula: {rest[0].group().strip()!r} was not expected at character {rest[0].start()} of {text!r}"
        )
    return parsed


def _level(tokens: list[re.Match], level: int, text: str) -> tuple[Formula, list[re.Match]]:
    """What stands at the head of the tokens, down to the tightest operators, and the tokens after it."""
    if level == len(LEVELS):
        return _atom(tokens, text)
    left, tokens = _level(tokens, level + 1, text)
    while tokens and tokens[0]["sign"] in LEVELS[level]:
        operator = LEVELS[level][tokens[0]["sign"]]
        right, tokens = _level(tokens[1:], level + 1, text)
        left = _joined(operator, left, right)
    return left, tokens


def _joined(operator: Callable, left: Formula, right: Formula) -> Formula:
    return lambda value: operator(left(value), right(value))


def _atom(tokens: list[re.Match], text: str) -> tuple[Formula, list[re.Match]]:
    if not tokens:
        raise BadInput(f"formula: {text!r} ends where a region, a number or a bracket was expected")
    head, tokens = tokens[0], tokens[1:]
    if head["region"]:
        return (lambda value: value(head["condition"], head["region"])), tokens
    if head["number"]:
        return (lambda value: np.float64(head["number"])), tokens
    inner, rest = _level(tokens, 0, text) if head["sign"] == "(" else (None, [])
    if inner is None or not rest or rest[0]["sign"] != ")":
        raise BadInput(f"formula: brackets or operators do not match at character {head.start()} of {text!r}")
    return inner, rest[1:]


def _checked(found: dict) -> dict:
    """The suite, if its items all have the same conditions and regions; raises BadInput."""
    try:
        name, items = found["meta"]["name"], found["items"]
        shapes = [{c["condition_name"]: len(c["regions"]) for c in item["conditions"]} for item in items]
        metric, predictions = found["meta"]["metric"], [p["formula"] for p in found["predictions"]]
    except (KeyError, TypeError) as error:
        raise BadInput(f"suites: not a suite in SyntaxGym's form ({type(error).__name__}: {error})") from None
    if not items or not predictions or metric != "sum":
        raise BadInput(f"suites: {name} has {len(items)} items, {len(predictions)} predictions and metric {metric!r}; "
                       "wanted some, some and 'sum'")  # fmt: skip
    odd = [i for i, shape in enumerate(shapes) if shape != shapes[0]]
    if odd:
        raise BadInput(f"suites: items[{odd[0]}] of {name} has other conditions or regions than items[0]")
    return found


def _rows(model, found: dict, n_items: int | None) -> list[dict]:
    items = found["items"][:n_items]
    sums = _surprisals(model, items)
    draws = np.random.default_rng(0)
    rows = []
    for number, prediction in enumerate(found["predictions"], start=1):
        parsed, drawn = formula(prediction["formula"]), {}
        holds = _held(parsed, lambda c, r: _value(sums, c, r), found, number)
        by_luck = parsed(lambda c, r, drawn=drawn: drawn.setdefault((c, r), draws.standard_normal(DRAWS)))
        low, high = binomtest(int(holds.sum()), len(holds)).proportion_ci(method="wilson")
        row = {"suite": found["meta"]["name"], "prediction": number, "accuracy": holds.mean()}
        rows.append(row | {"low": low, "high": high, "n_items": len(holds), "chance": by_luck.mean()})
    return rows


def _held(parsed: Formula, value: Callable, found: dict, number: int) -> np.ndarray:
    holds = np.asarray(parsed(value))
    if holds.dtype != bool or holds.ndim != 1:
        raise BadInput(f"formula: prediction {number} of {found['meta']['name']} is not a comparison of regions")
    return holds


def _value(sums: dict[tuple[str, str], np.ndarray], condition: str, region: str) -> np.ndarray:
    chosen = [values for (name, place), values in sums.items() if name == condition and region in ("*", place)]
    if not chosen:
        raise BadInput(f"formula: the suite has no region {region} in a condition named {condition}")
    return np.sum(chosen, axis=0)


def _surprisals(model, items: list[dict]) -> dict[tuple[str, str], np.ndarray]:
    """Bits of each region, by condition and region: one value an item. Empty regions take none."""
    versions = [(i, condition) for i, item in enumerate(items) for condition in item["conditions"]]
    regions = [[region for region in version["regions"] if region["content"].strip()] for _, version in versions]
    found = model.surprisals([[region["content"].strip() for region in kept] for kept in regions])
    sums = {
        (condition["condition_name"], str(region["region_number"])): np.zeros(len(items))
        for condition in items[0]["conditions"]
        for region in condition["regions"]
    }
    for (i, version), kept, bits in zip(versions, regions, found, strict=True):
        for region, value in zip(kept, bits, strict=True):
            sums[version["condition_name"], str(region["region_number"])][i] = value
    return sums
