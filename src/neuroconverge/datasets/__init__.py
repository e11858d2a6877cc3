"""Real human data: one verified file at a time, or loaded with ids and units."""

from .deepnsd import deepnsd, deepnsd_ceiling, human_alignment, vision_models
from .fetch import available, cache_dir, fetch, fetch_group, where
from .haxby import Haxby, haxby
from .images92 import CATEGORY_COLUMNS, Images92, caption_nouns, captions92, images78, images92
from .judgements import WordSimilarity, word_similarity
from .nsd import NSD, nsd
from .objectome import objectome_activations
from .podcast import PODCAST_SUBJECTS, PodcastSubject, podcast, podcast_electrodes, podcast_words
from .published import language_models, neural_nlp, neuroprobe, podcast_regions
from .registry import groups, names
from .speech import PhonemeResponses, SpeechRecording, phoneme_responses, speech_recording, word_eeg
from .things import (
    Things,
    du_llm,
    gpt_feature_norms,
    human_similarity_48,
    spose,
    things,
    things_ids,
    things_training,
    things_triplets,
    things_vectors,
    vice,
)
from .words import MITCHELL_SUBJECTS, PEREIRA_SUBJECTS, WordResponses, coco_captions, mitchell_nouns, pereira_words

__all__ = [
    "CATEGORY_COLUMNS",
    "MITCHELL_SUBJECTS",
    "NSD",
    "PEREIRA_SUBJECTS",
    "PODCAST_SUBJECTS",
    "Haxby",
    "Images92",
    "PhonemeResponses",
    "PodcastSubject",
    "SpeechRecording",
    "Things",
    "WordResponses",
    "WordSimilarity",
    "available",
    "cache_dir",
    "caption_nouns",
    "captions92",
    "coco_captions",
    "deepnsd",
    "deepnsd_ceiling",
    "du_llm",
    "fetch",
    "fetch_group",
    "gpt_feature_norms",
    "groups",
    "haxby",
    "human_alignment",
    "human_similarity_48",
    "images78",
    "images92",
    "language_models",
    "mitchell_nouns",
    "names",
    "neural_nlp",
    "neuroprobe",
    "nsd",
    "objectome_activations",
    "pereira_words",
    "phoneme_responses",
    "podcast",
    "podcast_electrodes",
    "podcast_regions",
    "podcast_words",
    "speech_recording",
    "spose",
    "things",
    "things_ids",
    "things_training",
    "things_triplets",
    "things_vectors",
    "vice",
    "vision_models",
    "where",
    "word_eeg",
    "word_similarity",
]
