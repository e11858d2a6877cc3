"""Real human data: one verified file at a time, or loaded with ids and units."""

from .fetch import available, cache_dir, fetch, fetch_group, where
from .images92 import CATEGORY_COLUMNS, Images92, caption_nouns, captions92, images78, images92
from .registry import groups, names

__all__ = [
    "CATEGORY_COLUMNS",
    "Images92",
    "available",
    "cache_dir",
    "caption_nouns",
    "captions92",
    "fetch",
    "fetch_group",
    "groups",
    "images78",
    "images92",
    "names",
    "where",
]
