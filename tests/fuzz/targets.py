"""All fuzz targets, by name."""

from . import text, wire
from .target import Target

TARGETS: dict[str, Target] = {target.name: target for target in (*wire.TARGETS, *text.TARGETS)}
