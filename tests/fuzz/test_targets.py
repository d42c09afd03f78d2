"""Each target holds for what hypothesis makes of its words, and for every input that ever broke it."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .target import CORPUS, CPU_SECONDS, Target
from .targets import TARGETS

EXAMPLES = 150
KEPT = [(target, path) for target in TARGETS.values() for path in target.kept()]


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Words of its language and stray octets."""
    pieces = st.one_of(st.sampled_from(target.words), st.sampled_from(target.words), st.binary(max_size=6))
    return st.lists(pieces, max_size=30).map(b"".join)


@pytest.mark.parametrize("name", TARGETS)
def test_invariant(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(inputs(target))
    def holds(octets: bytes) -> None:
        target.run(octets)

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_and_everything(name: str) -> None:
    run = TARGETS[name].run
    run(b"")
    run(bytes(range(256)))
    for word in TARGETS[name].words:
        begun = time.process_time()
        run(word * 200)
        assert time.process_time() - begun < 4 * CPU_SECONDS, word


@pytest.mark.parametrize(("target", "path"), KEPT, ids=[f"{t.name}-{p.name[:20]}" for t, p in KEPT])
def test_what_was_found_once(target: Target, path: object) -> None:
    octets = path.read_bytes()  # type: ignore[attr-defined]
    begun = time.process_time()
    target.run(octets)
    assert time.process_time() - begun < 4 * CPU_SECONDS


def test_every_target_says_what_it_promises_and_the_corpus_has_no_strangers() -> None:
    for target in TARGETS.values():
        assert target.invariant.rstrip().endswith(".")
        assert "\n" not in target.invariant
    assert {p.name for p in CORPUS.iterdir() if p.is_dir()} <= set(TARGETS)
