"""The bounded cache."""

from __future__ import annotations

from backends.lru import LRUCache


def test_least_recently_used_entry_is_evicted() -> None:
    cache: LRUCache[str, int] = LRUCache(2)
    cache.put("one", 1)
    cache.put("two", 0)
    assert cache.get("one") == 1
    cache.put("three", 3)
    assert [cache.get(key) for key in ("one", "two", "three")] == [1, None, 3]
    assert len(cache) == 2


def test_replaced_entry_counts_as_used() -> None:
    cache: LRUCache[str, int] = LRUCache(2)
    for key, value in (("one", 1), ("two", 2), ("one", 0), ("three", 3)):
        cache.put(key, value)
    assert [cache.get(key) for key in ("one", "two", "three")] == [0, None, 3]


def test_removed_entry_is_not_returned() -> None:
    cache: LRUCache[str, int] = LRUCache(2)
    cache.put("one", 1)
    cache.remove("one")
    cache.remove("never added")
    assert cache.get("one") is None
