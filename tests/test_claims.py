"""The ledger of claims: the shipped file is sound, and each fault that can be planted in it is named."""

import csv
import re
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest
import yaml

from neuroconverge import claims, experiments
from neuroconverge.errors import BadInput, UnknownName

BOOK = Path(__file__).parents[1] / "book"
IDS = ["F1a", "F1b", "F1c", "F1d", "F1e", "F1f", "F2a", "F2b", "F2c", "F3a", "F3b"]
COLUMNS = ["id", "claim", "source", "paper_value", "our_value", "low", "high", "n", "data", "verdict"]
RESULT = {
    "experiment": "made_up",
    "where": {"model": "minilm", "region": "IT"},
    "value": "score",
    "low": "lo",
    "high": "hi",
    "n": "15 people",
    "data": "92 photographs",
}
ITEM = {"what": "r", "value": ".3", "checked": "primary", "note": "x"}
ABSENT = object()
TABLE = pd.DataFrame(
    {
        "model": ["minilm", "minilm", "glove"],
        "region": ["IT", "EVC", "IT"],
        "score": [0.31, 0.02, 0.18],
        "lo": [0.21, -0.05, 0.09],
        "hi": [0.41, 0.09, 0.27],
    }
)


@pytest.fixture
def ledger_file(tmp_path):
    """Write one good, open claim, changed as asked (ABSENT takes a field out), and give the path."""
    good = yaml.safe_load(claims.FILE.read_text(encoding="utf-8"))[0]
    good |= {"verdict": "open", "verdict_text": None, "result": None}

    def write(*others, **changes):
        first = {key: value for key, value in (good | changes).items() if changes.get(key, "") is not ABSENT}
        path = tmp_path / "claims.yml"
        path.write_text(yaml.safe_dump([first, *others], allow_unicode=True), encoding="utf-8")
        return path

    return write


@pytest.fixture
def recorded(monkeypatch):
    """Stand in for the recorded results: the table above under the name ``made_up``, nothing else."""

    def read(name):
        if name != "made_up":
            raise UnknownName("recorded result", name, ["made_up"])
        return TABLE, {"date": "2026-01-01"}

    monkeypatch.setattr(experiments, "recorded", read)


def bib_entries():
    text = (BOOK / "references.bib").read_text(encoding="utf-8")
    return dict(re.findall(r"^@\w+\{([^,]+),\n(.*?)^\}", text, flags=re.M | re.S)), text


def cited(text):
    lists = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text)
    return {key.strip() for keys in lists for key in keys.split(",")}


# ---------------------------------------------------------------- the shipped file


def test_shipped_file_is_sound():
    found = claims.load()
    assert list(found) == IDS
    assert all(claim["source"] and isinstance(claim["source"], list) for claim in found.values())


def test_shipped_ledger_has_the_public_columns():
    table = claims.ledger()
    assert list(table.columns) == COLUMNS
    assert list(table["id"]) == IDS
    assert table[["our_value", "low", "high"]].dtypes.eq(float).all()
    assert table["paper_value"].str.endswith(tuple(f"({kind})" for kind in claims.CHECKED)).all()
    assert not table["paper_value"].str.contains("{cite", regex=False).any()


def test_shipped_verdicts_have_numbers_and_open_ones_have_none():
    table = claims.ledger().set_index("verdict")
    for verdict in {"replicates", "partly", "does not"} & set(table.index):
        assert table.loc[[verdict], ["our_value", "low", "high"]].notna().all(axis=None)
    assert table.loc[table.index == "cannot be tested here", "our_value"].isna().all()


def test_unverified_number_is_never_the_headline():
    heads = {name: claim["published"][0]["checked"] for name, claim in claims.load().items()}
    assert "unverified" not in heads.values(), heads


def test_every_key_is_in_the_bibliography():
    entries, text = bib_entries()
    keys = re.findall(r"^@\w+\{([^,]+),", text, flags=re.M)
    assert len(keys) == len(set(keys)) == len(entries), "a key is used twice, or an entry could not be read"
    used = {key for claim in claims.load().values() for key in claim["source"]}
    used |= cited(yaml.safe_dump(yaml.safe_load(claims.FILE.read_text(encoding="utf-8")), width=10**6))
    for page in BOOK.rglob("*.md"):
        used |= cited(page.read_text(encoding="utf-8"))
    groups = resources.files("neuroconverge") / "datasets" / "groups.csv"
    with groups.open(encoding="utf-8", newline="") as lines:
        used |= {key for row in csv.DictReader(lines) for key in row["cite"].split(";") if key}
    missing = used - set(keys)
    assert not missing


def test_bibliography_entries_are_whole():
    for key, body in bib_entries()[0].items():
        fields = set(re.findall(r"^\s*(\w+) =", body, flags=re.M))
        assert {"author", "title", "year"} <= fields, key
        assert re.fullmatch(r"[a-z]+\d{4}[a-z]*", key), key
        assert f"year = {{{re.search(r'[0-9]{4}', key).group()}}}" in body, key


def test_every_chapter_named_exists():
    missing = [claim["chapter"] for claim in claims.load().values() if claim["chapter"]]
    missing = [name for name in missing if not (BOOK / f"{name}.ipynb").exists()]
    assert not missing


def test_page_of_claims_has_one_section_a_claim():
    text = (BOOK / "claims.md").read_text(encoding="utf-8")
    headings = re.findall(r"^\((f\w+)\)=\n### (.+)$", text, flags=re.M)
    assert headings == [(name.lower(), f"{name}. {claim['title']}") for name, claim in claims.load().items()]
    assert re.findall(r'claims\.page\("(\w+)"\)', text) == IDS


@pytest.mark.parametrize("page", ["intro.md", "claims.md", "reference/glossary.md"])
def test_prose_links_lead_somewhere_and_name_no_machine(page):
    text = (BOOK / page).read_text(encoding="utf-8")
    assert not re.search(r"https?://|/(home|work|tmp)/|[Ll]ocalhost", text)
    if list(BOOK.rglob("*.ipynb")):
        links = re.findall(r"\]\(([^)#]+)\)", text)
        assert not [link for link in links if not ((BOOK / page).parent / link).exists()]


# ---------------------------------------------------------------- planted faults


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "maybe"}, "F1a: verdict: 'maybe' is not in"),
        ({"verdict": ABSENT}, "F1a: verdict: missing"),
        ({"method": ABSENT}, "F1a: method: missing"),
        ({"article_says": ""}, "F1a: article_says: empty"),
        ({"published": []}, "F1a: published: empty"),
        ({"published": [ITEM | {"checked": "seen"}]}, "F1a: checked: 'seen' is not in"),
        ({"published": [ITEM | {"value": None}]}, "F1a: published: no 'value'"),
        ({"quote": "a sentence"}, "F1a: quote: not a field"),
        ({"verdict": "replicates", "verdict_text": "Yes."}, "F1a: result: missing for the verdict 'repl"),
        ({"verdict": "partly", "verdict_text": "Yes."}, "F1a: result: missing for the verdict 'partly'"),
        ({"verdict": "does not", "verdict_text": "No."}, "F1a: result: missing for the verdict 'does not'"),
        ({"verdict": "does not", "result": RESULT}, "F1a: verdict_text: missing"),
        ({"verdict": "cannot be tested here"}, "F1a: verdict_text: missing"),
        ({"result": {"experiment": "made_up"}}, "F1a: result: has"),
    ],
)
def test_fault_in_the_file_is_named(ledger_file, changes, message):
    with pytest.raises(BadInput, match=re.escape(message)):
        claims.load(ledger_file(**changes))


def test_id_used_twice_is_named(ledger_file):
    first = yaml.safe_load(ledger_file().read_text(encoding="utf-8"))[0]
    with pytest.raises(BadInput, match="F1a: id: used twice"):
        claims.load(ledger_file(first))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"where": {"model": "bert", "region": "IT"}}, "picks 0 rows; exactly one is wanted"),
        ({"where": {"model": "minilm"}}, "picks 2 rows; exactly one is wanted"),
        ({"where": {}}, "picks 3 rows; exactly one is wanted"),
        ({"where": {"layer": 3}}, "layer"),
        ({"value": "r"}, "'r'"),
        ({"experiment": "made_down"}, "Did you mean 'made_up'"),
        ({"low": "hole"}, "not a number"),
    ],
)
def test_result_must_be_one_recorded_row(ledger_file, recorded, monkeypatch, changes, message):
    monkeypatch.setitem(TABLE, "hole", [float("nan")] * 3)
    path = ledger_file(verdict="partly", verdict_text="Some.", result=RESULT | changes)
    for reader in (claims.ledger, claims.verdict_table, lambda path: claims.page("F1a", path=path)):
        with pytest.raises(BadInput, match=f"F1a: result: .*{re.escape(message)}"):
            reader(path)


# ---------------------------------------------------------------- what a reader sees


def test_number_comes_from_the_recorded_row(ledger_file, recorded):
    path = ledger_file(verdict="partly", verdict_text="In part.", result=RESULT)
    row = claims.ledger(path).iloc[0]
    assert (row["our_value"], row["low"], row["high"]) == (0.31, 0.21, 0.41)
    assert (row["n"], row["data"], row["verdict"]) == ("15 people", "92 photographs", "partly")
    shown = "0.31, 95 % interval 0.21 to 0.41 (15 people; 92 photographs)"
    assert shown in claims.verdict_table(path)
    assert f"◐ replicates in part. In part. {shown}" in claims.page("F1a", path=path)


def test_untestable_claim_needs_no_number(ledger_file):
    path = ledger_file(verdict="cannot be tested here", verdict_text="The data need an agreement.")
    assert claims.ledger(path)["our_value"].isna().all()
    assert "∅ cannot be tested here" in claims.verdict_table(path)


def test_verdict_table_scrolls_in_its_box_and_says_verdicts_in_words():
    table = claims.verdict_table()
    assert table.startswith('<div style="overflow-x: auto">') and table.count("<div") == table.count("</div>")
    rows = [line for line in table.splitlines() if line.startswith("| [")]
    assert len(rows) == len(IDS)
    shown = [claims.VERDICTS[claim["verdict"]] for claim in claims.load().values()]
    assert all(verdict in row for verdict, row in zip(shown, rows, strict=True))
    assert all(re.search("[a-z]", label) and not label[0].isalpha() for label in claims.VERDICTS.values())


def test_page_shows_every_published_value_with_its_check():
    for name, claim in claims.load().items():
        text = claims.page(name)
        rows = [line for line in text.splitlines() if line.endswith(" |")][2:]
        assert [row.split(" | ")[-1].removesuffix(" |") for row in rows] == [
            item["checked"] for item in claim["published"]
        ]
        assert all(f"{{cite:t}}`{key}`" in text for key in claim["source"])
        assert all(error.strip() in text for error in claim["article_errors"])
        assert claim["would_change_our_mind"] in text


def test_page_without_names_holds_all_under_their_titles():
    text = claims.page()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        f"## {name}. {claim['title']}" for name, claim in claims.load().items()
    ]


def test_bar_in_a_text_does_not_break_the_table(ledger_file):
    item = ITEM | {"what": "|r|\nof two", "value": "a|b"}
    text = claims.page("F1a", path=ledger_file(published=[item]))
    assert r"| \|r\| of two. *x* | a\|b | primary |" in text


def test_unknown_claim_names_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'F1a'"):
        claims.page("f1a")
