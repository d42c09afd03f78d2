"""The texts: two TOML files with the same keys, one per language, and the catalogue that reads them."""

from .catalogue import Catalogue, Lang, Sentence, language, numbered
from .noted import say_noted
from .translations import say_told
from .words import Side, side_of

__all__ = [
    "Catalogue",
    "Lang",
    "Sentence",
    "Side",
    "language",
    "numbered",
    "say_noted",
    "say_told",
    "side_of",
]
