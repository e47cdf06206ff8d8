"""The first tier: bounded, and it forgets what was not used for longest."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from push.cache.memory import MemoryCache
from push.protocol.large_answers import encode_data
from tests.builders.results import NOW_MS, make_result

MAX_BYTES = 5_000
MAX_ENTRIES = 6
NAMES = st.sampled_from("abcdefghij")


class MemoryCacheMachine(RuleBasedStateMachine):
    """A model of names in the order of their use holds the cache to its word."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = MemoryCache(max_bytes=MAX_BYTES, max_entries=MAX_ENTRIES)
        self.last_put: dict[str, bytes] = {}
        self.used: list[str] = []

    @rule(name=NAMES, size_bytes=st.sampled_from((0, 100, 1000, 3000, 4500, 4501, 20_000)))
    def put(self, name: str, size_bytes: int) -> None:
        result = make_result(name.encode() * size_bytes)
        assert self.cache.put(name, result, NOW_MS).result is result
        self.last_put[name] = result.data
        self._use(name)
        if size_bytes <= 4500:
            assert self.cache.get(name) is not None

    @rule(name=NAMES)
    def get(self, name: str) -> None:
        entry = self.cache.get(name)
        if entry is not None:
            assert entry.result.data == self.last_put[name]
            self._use(name)

    @rule(name=NAMES)
    def drop(self, name: str) -> None:
        self.cache.drop(name)
        assert self.cache.get(name) is None

    @rule(name=NAMES)
    def encode(self, name: str) -> None:
        entry = self.cache.get(name)
        if entry is not None:
            assert self.cache.encode(name, entry) == encode_data(entry.result.data)
            self._use(name)

    def _use(self, name: str) -> None:
        self.used = [each for each in self.used if each != name] + [name]

    @invariant()
    def bounds_hold(self) -> None:
        assert 0 <= self.cache.size_bytes <= MAX_BYTES
        assert len(self.cache) <= MAX_ENTRIES
        assert (self.cache.size_bytes == 0) is (len(self.cache) == 0)


TestMemoryCacheMachine = MemoryCacheMachine.TestCase
TestMemoryCacheMachine.settings = settings(max_examples=50, deadline=None)


def test_what_was_used_last_stays() -> None:
    cache = MemoryCache(max_bytes=MAX_BYTES, max_entries=2)
    cache.put("a", make_result(), NOW_MS)
    cache.put("b", make_result(), NOW_MS)
    cache.get("a")
    cache.put("c", make_result(), NOW_MS)
    assert [cache.get(name) is not None for name in "abc"] == [True, False, True]


def test_what_is_too_large_is_handed_back_but_not_kept_and_displaces_only_its_like() -> None:
    cache = MemoryCache(max_bytes=MAX_BYTES)
    cache.put("a", make_result(b"1"), NOW_MS)
    cache.put("b", make_result(b"2"), NOW_MS)
    large = make_result(b"x" * MAX_BYTES)
    assert cache.put("a", large, NOW_MS).result is large
    assert cache.get("a") is None
    assert cache.get("b") is not None


def test_an_entry_knows_when_it_was_confirmed() -> None:
    cache = MemoryCache(max_bytes=MAX_BYTES)
    assert cache.put("a", make_result(), NOW_MS).confirmed_at_ms == NOW_MS


def test_what_is_encoded_counts_and_may_displace_what_was_used_before() -> None:
    cache = MemoryCache(max_bytes=MAX_BYTES)
    cache.put("a", make_result(b"x" * 3500), NOW_MS)
    entry = cache.put("b", make_result(b"y" * 400), NOW_MS)
    before = cache.size_bytes
    encoded = cache.encode("b", entry)
    assert cache.size_bytes == before + len(encoded) > before
    cache.put("c", make_result(b"1"), NOW_MS)
    assert cache.get("a") is None
    cache.drop("b")
    cache.drop("c")
    assert cache.size_bytes == 0


def test_what_is_not_kept_is_encoded_all_the_same() -> None:
    cache = MemoryCache(max_bytes=0)
    entry = cache.put("a", make_result(b"x" * 5000), NOW_MS)
    assert cache.encode("a", entry) == encode_data(b"x" * 5000) != ""
    assert cache.size_bytes == 0
