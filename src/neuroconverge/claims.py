"""The article's claims: what the papers measured, what this book found, and a verdict on each.

``claims.yml`` holds the text. Our numbers are not typed there: it names rows of recorded results.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd
import yaml

from .errors import BadInput, UnknownName

FILE = Path(__file__).with_name("claims.yml")
REQUIRED = "id title article_says source recording method published would_change_our_mind".split()
FIELDS = [*REQUIRED, "article_errors", "chapter", "verdict", "verdict_text", "result"]
RESULT = "experiment where value low high n data".split()
CHECKED = ("primary", "code or data", "second-hand", "unverified")
VERDICTS = {  # as in claims.yml, then as shown: a symbol and words, so that nothing hangs on colour
    "replicates": "✔ replicates",
    "partly": "◐ replicates in part",
    "does not": "✘ does not replicate",
    "cannot be tested here": "∅ cannot be tested here",
    "open": "○ open",
}


def load(path: str | Path = FILE) -> dict[str, dict]:
    """Every claim by id, checked, ``source`` always a list; BadInput names the claim and the field."""
    claims: dict[str, dict] = {}
    for claim in yaml.safe_load(Path(path).read_text(encoding="utf-8")):
        name = claim.get("id", "claim without an id")
        _want(name not in claims, name, "id", "used twice")
        _check(name, claim)
        source = claim["source"]
        claims[name] = claim | {"source": [source] if isinstance(source, str) else source}
    return claims


def _want(holds: bool, name: str, field: str, problem: str) -> None:
    if not holds:
        raise BadInput(f"{name}: {field}: {problem}")


def _check(name: str, claim: dict) -> None:
    for field in FIELDS:
        _want(field in claim, name, field, "missing")
        _want(field not in REQUIRED or bool(claim[field]), name, field, "empty")
    extra = ", ".join(sorted(set(claim) - set(FIELDS)))
    _want(not extra, name, extra, f"not a field; known are {', '.join(FIELDS)}")
    for item in claim["published"]:
        for key in ("what", "value", "checked", "note"):
            _want(bool(item.get(key)), name, "published", f"no {key!r} in {item}")
        _want(item["checked"] in CHECKED, name, "checked", f"{item['checked']!r} is not in {CHECKED}")
    verdict, result = claim["verdict"], claim["result"]
    _want(verdict in VERDICTS, name, "verdict", f"{verdict!r} is not in {list(VERDICTS)}")
    told = verdict == "open" or bool(claim["verdict_text"])
    _want(told, name, "verdict_text", f"missing for the verdict {verdict!r}")
    shown = verdict in ("open", "cannot be tested here") or result is not None
    _want(shown, name, "result", f"missing for the verdict {verdict!r}")
    _want(result is None or set(result) == set(RESULT), name, "result", f"has {result}; wants {RESULT}")


def numbers(claim: dict) -> dict[str, float]:
    """``value``, ``low`` and ``high`` from the one recorded row a claim names; empty without a result."""
    if claim["result"] is None:
        return {}
    from . import experiments

    name, result = claim["id"], claim["result"]
    try:
        table, _ = experiments.recorded(result["experiment"])
        rows = table[(table[list(result["where"])] == pd.Series(result["where"])).all(axis=1)]
        found = rows[[result["value"], result["low"], result["high"]]].to_numpy(float)
    except (UnknownName, KeyError) as error:
        raise BadInput(f"{name}: result: {result['experiment']}: {error}") from error
    _want(len(rows) == 1, name, "result", f"{result['where']} picks {len(rows)} rows; exactly one is wanted")
    _want(all(map(math.isfinite, found[0])), name, "result", f"not a number in {found[0]}")
    return dict(zip(("value", "low", "high"), map(float, found[0]), strict=True))


def ledger(path: str | Path = FILE) -> pd.DataFrame:
    """One row a claim: what was published and how far that was checked, what this book found, the verdict."""
    rows = []
    for claim in load(path).values():
        ours, result = numbers(claim), claim["result"] or {}
        row = {"id": claim["id"], "claim": claim["article_says"], "source": "; ".join(claim["source"])}
        row |= {"paper_value": _headline(claim), "our_value": ours.get("value", math.nan)}
        row |= {"low": ours.get("low", math.nan), "high": ours.get("high", math.nan)}
        rows.append(row | {key: result.get(key, "") for key in ("n", "data")} | {"verdict": claim["verdict"]})
    return pd.DataFrame(rows)


def verdict_table(path: str | Path = FILE) -> str:
    """The verdicts as a MyST table that scrolls in its own box, for a page of the folder ``book``."""
    rows = []
    for claim in load(path).values():
        papers = ", ".join(f"{key[:-4].capitalize()} {key[-4:]}" for key in claim["source"])
        title = f"[{claim['id']}](#{claim['id'].lower()}) {claim['title']} ({papers})"
        rows.append([title, VERDICTS[claim["verdict"]], _ours(claim) or "none", _headline(claim)])
    return _table(["Claim", "Verdict", "This book", "Published, and how far checked"], rows, width_rem=40)


def page(*ids: str, path: str | Path = FILE) -> str:
    """MyST text of the claims named, or of all, each under its title; for a page of the folder ``book``."""
    claims = load(path)
    for name in set(ids) - set(claims):
        raise UnknownName("claim", name, claims)
    titles = {name: "" if ids else f"## {name}. {claim['title']}\n\n" for name, claim in claims.items()}
    return "\n\n".join(titles[name] + _section(claims[name]) for name in ids or claims)


def verdict(name: str, path: str | Path = FILE) -> str:
    """The verdict on one claim in words, with this book's number and its interval; for the end of a chapter."""
    claims = load(path)
    if name not in claims:
        raise UnknownName("claim", name, claims)
    claim = claims[name]
    ours = f" This book's number: {_ours(claim)}." if claim["result"] else ""
    return f"**{name}: {VERDICTS[claim['verdict']]}.** {(claim['verdict_text'] or 'No chapter yet.').strip()}{ours}"


def verdict_sentences(path: str | Path = FILE) -> str:
    """The verdicts on all claims that are no longer open, one paragraph each."""
    decided = [name for name, claim in load(path).items() if claim["verdict"] != "open"]
    return "\n\n".join(verdict(name, path) for name in decided) or "No claim has a verdict yet."


def _headline(claim: dict) -> str:
    head = claim["published"][0]
    return re.sub(r"\s*\{cite:\w\}`[^`]*`", "", f"{head['what']}: {head['value']} ({head['checked']})")


def _ours(claim: dict) -> str:
    found, result = numbers(claim), claim["result"]
    if not found:
        return ""
    score = f"{found['value']:.2f}, 95 % interval {found['low']:.2f} to {found['high']:.2f}"
    return f"{score} ({result['n']}; {result['data']})"


def _table(head: list[str], rows: list[list[str]], width_rem: int = 0) -> str:
    cells = [[" ".join(str(cell).split()).replace("|", r"\|") for cell in row] for row in (head, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in (cells[0], ["---"] * len(head), *cells[1:])]
    box = f'<div style="overflow-x: auto"><div style="min-width: {width_rem}rem">'
    return "\n\n".join([box, "\n".join(lines), "</div></div>"])


def _section(claim: dict) -> str:
    rows = [[f"{i['what']}. *{i['note']}*", i["value"], i["checked"]] for i in claim["published"]]
    wrong = "\n".join(f"- {error}" for error in claim["article_errors"])
    chapter = f"[](<{claim['chapter']}.ipynb>)." if claim["chapter"] else "No chapter yet."
    parts = [
        f"**The article says.** {claim['article_says']}",
        f"**The paper.** {', '.join(f'{{cite:t}}`{key}`' for key in claim['source'])}. {claim['recording']}.",
        f"**What was done.** {claim['method']}",
        _table(["What was published", "Value", "How far checked"], rows),
        f":::{{admonition}} What the claim gets wrong\n:class: warning\n{wrong}\n:::",
        f"**What would change our mind.** {claim['would_change_our_mind']}",
        f"**Where we test it.** {chapter}",
        f"**Verdict.** {VERDICTS[claim['verdict']]}. {claim['verdict_text'] or ''} {_ours(claim)}",
    ]
    return "\n\n".join(part.strip() for part in parts)
