"""Configuration: one TOML file in, one checked value out, all mistakes at once.

``load(path)`` reads the file and the files of ``conf.d/`` beside it (sorted, later ones win), lays
``KURIR_SECTION__KEY`` variables over them, and validates the whole.  The result is a `Config`; the
composition root turns it into each room's own settings, so no room ever sees this one.
"""

from .atlas import load_atlas
from .load import find, load, parse
from .mistakes import ConfigError, Mistake
from .schema import Config
from .template import render

__all__ = ["Config", "ConfigError", "Mistake", "find", "load", "load_atlas", "parse", "render"]
