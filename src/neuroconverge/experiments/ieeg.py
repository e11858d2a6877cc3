"""Findings F1d to F1f: language models and intracranial recordings, measured (from the archive) and SIMULATED.

The recordings (ds005574) could not be fetched where the book's results were recorded. What is recorded here comes
from SIMULATED high gamma at the real electrodes and the real words: it shows what the method finds and what not.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from .. import ieeg, models, simulate
from ..datasets import PODCAST_SUBJECTS, podcast, podcast_electrodes, podcast_words
from ..errors import BadInput
from ..simulate_podcast import planted
from . import experiment, here

WINDOW_S = 0.2
LENGTH_S = 1800.0
RATE_HZ = 32.0  # of the SIMULATED recordings: their responses last 0.2 s
EVERY = 5  # layers used there
LAGS_S = np.arange(-0.4, 1.01, 0.1)
FOLDS = 3
DRIFT_S = 20.0  # what is slower is taken out of the responses
GAP_WORDS = 75  # in inner folds: 25 s
SNR = 0.2
WORDS = ("podcast_ds005574/gpt2-xl_transcript.tsv", "podcast_ds005574/participants.tsv")
TABLES = tuple(
    f"podcast_ds005574/sub-{one}_{table}.tsv"
    for one in PODCAST_SUBJECTS
    for table in ("space-MNI152NLin2009aSym_electrodes", "task-podcast_channels")
)


def tables_here() -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Electrodes and words of the story, as ``datasets.podcast_electrodes`` and ``podcast_words`` give them.

    None, and a line that says so, in the place of a table that can be neither found nor reached.
    """
    return here(podcast_electrodes, "places of the electrodes"), here(podcast_words, "words of the story")


@experiment(needs=(WORDS[1], *TABLES), claims=("F1d", "F1e", "F1f"))
def podcast_coverage() -> pd.DataFrame:
    """Where the electrodes of each patient lie, and how near to auditory cortex those come that recorded well.

    ``subject``: as in the archive. All columns but ``electrodes`` count, or measure, electrodes that recorded well;
    ``unplaced`` have no position.
    """
    everyone = podcast_electrodes()
    good = everyone[everyone["good"]]
    good = good.assign(distance_mm=ieeg.auditory_distance(good))
    return pd.DataFrame(
        {
            "subject": f"sub-{subject}",
            "electrodes": (everyone["subject"] == subject).sum(),
            "good": len(here),
            "left": (here["hemisphere"] == "L").sum(),
            "right": (here["hemisphere"] == "R").sum(),
            "unplaced": here["x_mm"].isna().sum(),
            "nearest_mm": here["distance_mm"].min(),
            "within_20_mm": (here["distance_mm"] < 20).sum(),
        }
        for subject, here in good.groupby("subject")
    )


@experiment(needs=(WORDS[0],), claims=("F1d", "F1e", "F1f"))
def podcast_rhythm() -> pd.DataFrame:
    """When the words of the story come, and whether those that surprise GPT-2 XL last longer, in one row.

    ``step_s``: median time from one word to the next. ``overlaps``: words that begin before the one printed above.
    Spearman correlation of surprisal with the duration of a word, and with its duration per letter.
    """
    words = podcast_words()
    steps, duration = words["start_s"].diff(), words["end_s"] - words["start_s"]
    paces = {"duration": duration, "per_letter": duration / words["word"].str.count(r"[^\W\d_]").where(lambda n: n > 0)}
    rho = {f"rho_{name}": pace.corr(words["surprisal_bits"], method="spearman") for name, pace in paces.items()}
    facts = {"n_words": len(words), "minutes": words["end_s"].max() / 60, "step_s": steps.median()}
    return pd.DataFrame([facts | {"overlaps": (steps < 0).sum()} | rho])


def confounds(words: pd.DataFrame) -> np.ndarray:
    """What a response may follow without any language (words, 6): letters, duration, gaps, word rate, time."""
    onsets, last = words["start_s"].to_numpy(), words["end_s"].to_numpy()
    near = np.abs(np.sort(onsets)[None] - onsets[:, None]) <= 2  # words within two seconds
    gaps = np.clip(np.diff(onsets, prepend=onsets[0]), -1, 2)
    letters = words["word"].str.len().to_numpy()
    return np.column_stack([letters, last - onsets, gaps, np.roll(gaps, -1), near.sum(1), onsets])


def static_vectors(words: list[str]) -> np.ndarray:
    """GloVe vectors of words as printed (words, 50); one that GloVe lacks gets the mean of the others."""
    glove = models.load("glove-50")
    known = np.array([len(missing) == 0 for missing in glove.missing(words)])
    if not known.any():
        raise BadInput("words: GloVe knows none of them")
    made = np.empty((len(words), glove.info.dim), np.float32)
    made[known] = glove.embed([word for word, there in zip(words, known, strict=True) if there])
    made[~known] = made[known].mean(0)
    return made


@experiment(
    needs=(*WORDS, *TABLES, "podcast_highgamma", "model-smollm2-135m", "model-glove-50"),
    claims=("F1e",),
    recorded=False,
)
def ieeg_encoding(
    subject="08", archive=None, model="smollm2-135m", lags=33, folds=5, context=64, seed=0
) -> pd.DataFrame:
    """One patient's high gamma predicted from every layer of a language model, electrode by electrode.

    ``subject``: 01 to 09; ``archive``: a folder with a copy of ds005574 (without it the recording is fetched);
    ``lags``: how many from -2 to 2 s; ``folds``: contiguous in time, with 24 s left out around each, because what is
    slower than 20 s is taken out of the responses. Columns:
    ``score`` (nested test r at the layer and lag chosen in training), ``naive``; ``untrained``, ``static`` and
    ``confounds`` (the same for an untrained twin, GloVe and six features without language); ``unique_r2`` (beyond the
    confounds); ``p`` (circular shifts, family-wise over electrodes); ``layer`` (0 to 1), ``lag_s``, ``predictive``.
    """
    data, network = podcast(subject, archive), models.load(model)
    shifts = np.linspace(-2, 2, lags)
    words = data.words[ieeg.inside(data.words["start_s"], shifts, WINDOW_S, data.raw.n_times / data.raw.info["sfreq"])]
    answers = _answers(data, words, shifts)
    pairs = ieeg.time_folds(words, folds, gap_s=4 + DRIFT_S)
    text = words["word"].tolist()
    states = models.word_states(network, text, context)
    found = ieeg.encode(states, answers, pairs, gap=GAP_WORDS)
    table = ieeg.peaks(found, shifts, data.electrodes.index)
    series = ieeg.test_series(states, answers, pairs, found, gap=GAP_WORDS)
    facts = confounds(words)
    shares = ieeg.unique_r2(states, answers, pairs, found, facts, gap=GAP_WORDS)
    rivals = {"untrained": models.word_states(models.randomise(network, seed), text, context)}
    rivals |= {"static": static_vectors(text)[None], "confounds": facts[None]}
    for name, rival in rivals.items():
        table[name] = ieeg.peaks(ieeg.encode(rival, answers, pairs, gap=GAP_WORDS), shifts, table.index)["score"]
    table["unique_r2"] = shares["model"].to_numpy()
    table["p"] = ieeg.significant(*series, n=min(1000, len(words) // 2), seed=seed)
    table["distance_mm"], table["hemisphere"] = ieeg.auditory_distance(data.electrodes), data.electrodes["hemisphere"]
    about = {"recording": "SIMULATED" if data.simulated else "measured", "subject": data.subject, "n_words": len(words)}
    table = table.assign(model=network.info.id, **about).reset_index()
    first = ["recording", "subject", "electrode", "hemisphere", "distance_mm", "model", "n_words", "score", "naive"]
    rest = ["untrained", "static", "confounds", "unique_r2", "p", "layer", "layer_mean", "lag_s", "predictive"]
    return table[first + rest]


def _answers(data, words: pd.DataFrame, shifts: np.ndarray, batch: int = 16) -> np.ndarray:
    """Responses of all electrodes, read from the file some electrodes at a time."""
    names, rate = data.raw.ch_names, data.raw.info["sfreq"]
    parts = [names[start : start + batch] for start in range(0, len(names), batch)]
    onsets = words["start_s"]
    return np.concatenate(
        [ieeg.responses(data.raw.get_data(part), rate, onsets, shifts, WINDOW_S, DRIFT_S) for part in parts], axis=1
    )


@cache
def _reader() -> tuple[pd.DataFrame, np.ndarray]:
    """Words that all lags allow, and the states of every fifth layer of SmolLM2 for them."""
    model, words = models.load("smollm2-135m"), podcast_words()
    states = models.word_states(model, words["word"].tolist(), layers=model.layer_names[::EVERY])
    allowed = ieeg.inside(words["start_s"], LAGS_S, WINDOW_S, LENGTH_S)
    return words[allowed], states[:, allowed]


def simulated_study(
    electrodes: pd.DataFrame, truth: str, seed: int = 0, drift_s: float | None = DRIFT_S
) -> tuple[ieeg.Encoding, pd.DataFrame]:
    """Encoding of SIMULATED recordings at real electrodes, and a table of what was planted in each and what was found.

    ``truth``: planted (layer and lag grow with the distance from auditory cortex), shuffled (the same layers and lags,
    dealt out to the electrodes at random) or null (noise alone). ``planted_layer``: 0 to 1, as ``layer``. ``drift_s``:
    as in ``ieeg.responses``.
    """
    if truth not in ("planted", "shuffled", "null"):
        raise BadInput(f"truth: got {truth!r}; wanted planted, shuffled or null")
    words, states = _reader()
    electrodes = electrodes[electrodes["good"] & electrodes["x_mm"].notna()]
    given = planted(electrodes, len(states))
    mixed = np.random.default_rng(seed).permutation(len(given)) if truth == "shuffled" else np.arange(len(given))
    options = {name: given[column].to_numpy()[mixed] for name, column in (("layer_of", "layer"), ("lag_of", "lag_s"))}
    options |= {"sfreq_hz": RATE_HZ, "length_s": LENGTH_S, "snr": SNR, "null": truth == "null", "seed": seed}
    made = simulate.podcast_subject(electrodes, words, states, **options)
    answers = ieeg.responses(made.signal, RATE_HZ, words["start_s"], LAGS_S, WINDOW_S, drift_s)
    found = ieeg.encode(states, answers, ieeg.time_folds(words, FOLDS, 2 + DRIFT_S), gap=GAP_WORDS)
    table = ieeg.peaks(found, LAGS_S, made.truth.index).join(made.truth["distance_mm"])
    table["planted_layer"], table["planted_lag_s"] = made.truth["layer"] / (len(states) - 1), made.truth["lag_s"]
    return found, table.join(electrodes["subject"])


@cache
def patient_08(truth: str, drift_s: float | None) -> tuple[ieeg.Encoding, pd.DataFrame]:
    """``simulated_study`` of SIMULATED patient 08, which several experiments look at."""
    return simulated_study(podcast_electrodes("08"), truth, drift_s=drift_s)


@experiment(needs=(*WORDS, *TABLES, "model-smollm2-135m"), claims=("F1e",))
def simulated_ieeg_hierarchy() -> pd.DataFrame:
    """SIMULATED recordings, 20 real electrodes of each patient: is a planted order of layers found, and no other?"""
    everyone = podcast_electrodes()
    some = everyone[everyone["good"] & everyone["x_mm"].notna()].groupby("subject").sample(20, random_state=0)
    rows = []
    for truth in ("planted", "shuffled", "null"):
        table = simulated_study(some, truth)[1]
        kept = table if truth == "null" else table[table["predictive"]]
        for value in ("layer", "layer_mean", "lag_s"):
            planted = "planted_lag_s" if value == "lag_s" else "planted_layer"
            row = {"SIMULATED": truth} | ieeg.hierarchy(kept, value).to_dict()
            row |= {"score": table["score"].mean(), "naive": table["naive"].mean()}
            row["recovered_r"] = np.nan if truth == "null" else kept[value].corr(kept[planted])
            rows.append(row | {"share_predictive": table["predictive"].mean()})
    return pd.DataFrame(rows)


@experiment(needs=(*WORDS, *TABLES, "model-smollm2-135m"), claims=("F1e",))
def simulated_ieeg_electrodes() -> pd.DataFrame:
    """SIMULATED patient 08: what was planted in each electrode, and what was found."""
    tables = [patient_08(truth, DRIFT_S)[1].assign(SIMULATED=truth) for truth in ("planted", "null")]
    return pd.concat(tables).reset_index()


@experiment(needs=(*WORDS, *TABLES, "model-smollm2-135m"), claims=("F1e",))
def simulated_ieeg_lags() -> pd.DataFrame:
    """SIMULATED patient 08: score by lag, electrodes near to and far from auditory cortex, with an interval over them.

    At each lag the layer is that chosen in the training words. ``low``, ``high``: mean -/+ 1.96 standard errors.
    """
    rows = []
    for truth in ("planted", "null"):
        found, table = patient_08(truth, DRIFT_S)
        layer, _, _ = ieeg.chosen(found)
        folds, _, n, _ = found.scores.shape
        curves = found.scores[np.arange(folds)[:, None], layer, np.arange(n)].mean(0)  # electrodes, lags
        far = table["distance_mm"].to_numpy() > table["distance_mm"].median()
        for place, which in {"near": ~far, "far": far}.items():
            mean, error = curves[which].mean(0), curves[which].std(0, ddof=1) / np.sqrt(which.sum())
            curve = {"lag_s": LAGS_S, "score": mean, "low": mean - 1.96 * error, "high": mean + 1.96 * error}
            curve["n_electrodes"] = int(which.sum())
            rows.append(pd.DataFrame({"SIMULATED": truth, "place": place} | curve))
    return pd.concat(rows, ignore_index=True)


@experiment(needs=(*WORDS, *TABLES, "model-smollm2-135m"), claims=("F1e",))
def simulated_ieeg_drift() -> pd.DataFrame:
    """SIMULATED patient 08, with the slow drifts of the recording left in or taken out, the folds being the same."""
    rows = []
    for truth in ("planted", "null"):
        for drift_s in (None, DRIFT_S):
            table = patient_08(truth, drift_s)[1]
            row = {"SIMULATED": truth, "drifts": "left in" if drift_s is None else "taken out"}
            row |= {name: table[name].mean() for name in ("score", "naive", "predictive")}
            row["recovered_r"] = np.nan if truth == "null" else table["layer"].corr(table["planted_layer"])
            rows.append(row | {"n_electrodes": len(table)})
    return pd.DataFrame(rows)
