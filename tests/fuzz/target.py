"""What a fuzz target is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
CPU_SECONDS = 0.5  # for one input; a fuzzer's inputs are small


@dataclass(frozen=True, slots=True)
class Target:
    """A parser and its invariant, in one sentence.

    `run` raises (AssertionError, or whatever the parser must not raise) where it is broken.  `words` are pieces of
    the language, for fuzzers to put together.
    """

    name: str
    invariant: str
    run: Callable[[bytes], None]
    words: tuple[bytes, ...]

    @property
    def corpus(self) -> Path:
        """The folder of inputs that once broke it, or nearly, and of a few that reach deep (``seed-...``)."""
        return CORPUS / self.name

    def kept(self) -> list[Path]:
        """Return the kept inputs."""
        return sorted(p for p in self.corpus.glob("*") if p.is_file())
