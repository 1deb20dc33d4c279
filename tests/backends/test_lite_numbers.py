"""Long numbers in the lite engine, whose library reads numbers of up to 36 digits."""

from __future__ import annotations

import pytest

from backends.base import AudioChunk, Engine, EngineConfig, Failed, Finished, Job
from backends.lite.plugin import LitePlugin


@pytest.fixture(scope="module")
def lite() -> Engine:
    return LitePlugin(EngineConfig("lite")).load()


LONG = "9" * 37


@pytest.mark.parametrize(
    "number",
    [
        *(form.format(LONG) for form in ("{}.", "${}", "{}%", "3.{}", "{}.5", "{}th", "{}s", "-{}", "x^{}", "{}/2")),
        *(form.format(LONG) for form in ("+1 555 {}", "12/25/{}", "No. {}")),
        ",".join(["999"] * 13),
        "①" * 40,
        "٣" * 40,
    ],
)
def test_long_number_is_spoken_after_its_good_sentence(lite: Engine, number: str) -> None:
    lite.add(Job("a", f"A good sentence. {number}", seed=1))
    events = []
    while not isinstance((events or [None])[-1], Finished | Failed):
        events += lite.step()
    spoken = [event for event in events if isinstance(event, AudioChunk)]
    assert isinstance(events[-1], Finished)
    assert sum(len(chunk.samples) for chunk in spoken) > 3 * 24000, "the digits take more than a second"


def test_number_of_10000_digits_is_spoken_in_short_steps(lite: Engine) -> None:
    lite.add(Job("a", "7" * 10_000, seed=1))
    [chunk] = lite.step()
    lite.abort("a")
    assert isinstance(chunk, AudioChunk)
    assert len(chunk.samples) < 24 * 24000


def test_failed_sentence_is_not_quoted(lite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    lite.add(Job("a", "My secret.", seed=1))
    monkeypatch.setattr("backends.lite.engine._speak", lambda voice, text, speed, rng: {}[text])
    assert lite.step() == [Failed("a", "lite could not speak characters 0 to 10: KeyError")]
