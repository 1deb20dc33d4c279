"""The engine with a small model: references, codes, speakers, long texts, failures."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import numpy as np
import pytest
from support.fish.model import write_model

from backends.base import AudioChunk, CodesChunk, DecodeJob, EngineConfig, Event, Failed, Finished, Job, Reference
from backends.errors import InvalidJob
from backends.fish.engine import FishEngine
from backends.fish.generation import StepOutput
from backends.fish.plugin import FishPlugin
from backends.fish.v0_2.config import FRAME_SAMPLES

SHORT = {"max_new_tokens": 12, "use_g2p": False}
TEXT = "Hello there."
LONG = "The first sentence is here. The second one follows it. A third one ends the text."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return write_model(tmp_path_factory.mktemp("fish"))


@pytest.fixture(scope="module")
def engine(model: dict) -> Iterator[FishEngine]:
    config = EngineConfig("fish", device="cpu", dtype="float32", model={**model, "speakers": ["Ann"]}, defaults=SHORT)
    loaded = FishPlugin(config).load()
    yield loaded
    loaded.close()


def run(engine: FishEngine, *jobs: Job) -> dict[str, np.ndarray]:
    for job in jobs:
        engine.add(job)
    waiting = {job.id for job in jobs}
    audio: dict[str, list[np.ndarray]] = {job.id: [] for job in jobs}
    for _ in range(5000):
        for event in engine.step():
            match event:
                case AudioChunk():
                    audio[event.job_id].append(event.samples)
                case Finished():
                    waiting.remove(event.job_id)
                case Failed():
                    raise AssertionError(event.message)
        if not waiting:
            return {job_id: np.concatenate(parts) for job_id, parts in audio.items()}
    raise AssertionError(f"{waiting} did not end")


def job(job_id: str = "a", text: str = TEXT, seed: int = 1, **fields: object) -> Job:
    return Job(job_id, text, seed, **fields)  # type: ignore[arg-type]


def clip(seed: int = 0, seconds: float = 2.0, text: str = "What the clip says.") -> Reference:
    audio = np.random.default_rng(seed).standard_normal(int(seconds * 24000)).astype(np.float32) * 0.1
    return Reference(audio, 24000, text, f"clip {seed} {seconds} {text}")


def npy(codes: np.ndarray) -> str:
    file = io.BytesIO()
    np.save(file, codes)
    return base64.b64encode(file.getvalue()).decode()


def test_max_new_tokens_includes_the_dropped_frame(engine: FishEngine) -> None:
    assert len(run(engine, job())["a"]) == 11 * FRAME_SAMPLES


def test_reference_changes_the_voice_and_is_encoded_once(engine: FishEngine) -> None:
    encoded = []
    original = engine._pipeline.codec.encode
    engine._pipeline.codec.encode = lambda audios: encoded.append(len(audios)) or original(audios)
    try:
        plain = run(engine, job())["a"]
        both = run(engine, job("a", reference=clip(1)), job("b", reference=clip(1)))
        again = run(engine, job("c", reference=clip(1)))["c"]
        other = run(engine, job("d", reference=clip(2)))["d"]
    finally:
        engine._pipeline.codec.encode = original
    assert encoded == [1, 1]
    np.testing.assert_array_equal(both["a"], both["b"])
    np.testing.assert_array_equal(both["a"], again)
    assert not np.array_equal(both["a"], plain)
    assert not np.array_equal(both["a"], other)


VOICE = {"prompt_tokens": npy(np.zeros((4, 3), int))}


def test_prompt_tokens_give_the_audio_of_their_reference(engine: FishEngine) -> None:
    by_reference = run(engine, job(reference=clip(3)))["a"]
    codes = engine._references._cache.get(clip(3).digest)
    options = {"prompt_tokens": npy(codes), "prompt_text": clip(3).text}
    np.testing.assert_array_equal(run(engine, job(options=options))["a"], by_reference)
    without_text = run(engine, job(options={"prompt_tokens": npy(codes)}))["a"]
    assert not np.array_equal(without_text, by_reference)


def test_speaker_is_an_option_or_a_voice(engine: FishEngine) -> None:
    as_voice = run(engine, job(voice="Ann"))["a"]
    np.testing.assert_array_equal(run(engine, job(options={"speaker": "Ann"}))["a"], as_voice)
    assert not np.array_equal(run(engine, job())["a"], as_voice)
    np.testing.assert_array_equal(run(engine, job(voice="random"))["a"], run(engine, job())["a"])


def test_chunks_of_a_long_text_have_the_voice_of_the_first(engine: FishEngine) -> None:
    added = []
    original = engine._pipeline.lm.add
    engine._pipeline.lm.add = lambda sequence: added.append(sequence) or original(sequence)
    try:
        audio = run(engine, job(text=LONG, options={"chunk_length": 30}))["a"]
    finally:
        engine._pipeline.lm.add = original
    assert len(audio) == 3 * 11 * FRAME_SAMPLES
    assert [sequence.id for sequence in added] == [("a", 0), ("a", 1), ("a", 2)]
    assert not added[0].prompt[1:].any()
    for later in added[1:]:  # 11 frames of codes at the end
        assert (later.prompt[1:, -11:] >= 2).all()
        assert not later.prompt[1:, :-11].any()
    assert len({sequence.seed for sequence in added}) == 3


def test_first_chunk_that_does_not_end_leaves_room_for_the_others(model: dict) -> None:
    config = {**model, "max_tokens": 200, "languages": ["en"]}
    engine = FishPlugin(
        EngineConfig("fish", device="cpu", dtype="float32", model=config, defaults={"use_g2p": False})
    ).load()
    added = []
    original = engine._pipeline.lm.add
    engine._pipeline.lm.add = lambda sequence: added.append(sequence) or original(sequence)
    engine._pipeline.lm._eos_id = -1  # never
    audio = run(engine, job(text=LONG, options={"chunk_length": 30}))["a"]
    engine.close()
    first, *later = [sequence.prompt.shape[1] for sequence in added]
    assert len(audio) > 100 * FRAME_SAMPLES
    assert len(later) == 2
    assert max(later) < 175
    assert max(later) > first


def test_default_speaker_is_the_default_voice(model: dict) -> None:
    defaults = {**SHORT, "speaker": "Bob"}
    config = {**model, "speakers": ["Ann", "Bob"], "languages": ["en"]}
    engine = FishPlugin(EngineConfig("fish", device="cpu", dtype="float32", model=config, defaults=defaults)).load()
    assert [voice.name for voice in engine.capabilities.voices] == ["Bob", "random", "Ann"]
    spoken = {voice: run(engine, job(voice=voice))["a"] for voice in (None, "Bob", "random", "Ann")}
    named = run(engine, job(voice="random", options={"speaker": "Ann"}))["a"]
    cloned = run(engine, job(reference=clip(5)))["a"]
    engine.close()
    plain = FishPlugin(EngineConfig("fish", device="cpu", dtype="float32", model=config, defaults=SHORT)).load()
    assert plain.capabilities.voices[0].name == "random"
    np.testing.assert_array_equal(run(plain, job())["a"], spoken["random"])
    np.testing.assert_array_equal(run(plain, job(reference=clip(5)))["a"], cloned)
    plain.close()
    np.testing.assert_array_equal(spoken[None], spoken["Bob"])
    np.testing.assert_array_equal(named, spoken["Ann"])
    assert len({samples.tobytes() for samples in spoken.values()}) == 3


def drain(engine: FishEngine) -> list[Event]:
    """Step until a job has ended."""
    events: list[Event] = []
    while not any(isinstance(event, Finished | Failed) for event in events):
        events += engine.step()
    return events


def test_codes_only_job_returns_the_codes_of_its_speech(engine: FishEngine) -> None:
    expected = run(engine, job(reference=clip(6)))["a"]
    engine.add(job(reference=clip(6), codes_only=True))
    chunk, end = drain(engine)
    assert isinstance(chunk, CodesChunk)
    assert isinstance(end, Finished)
    assert not len(engine._pipeline.decoder)
    engine.convert(DecodeJob("decoded", chunk.codes))
    audio = [event.samples for event in drain(engine) if isinstance(event, AudioChunk)]
    np.testing.assert_allclose(np.concatenate(audio), expected, atol=1e-6)


def test_codes_of_a_long_text_are_in_order(engine: FishEngine) -> None:
    generated: dict[int, list[np.ndarray]] = {}
    original = engine._pipeline.lm.step

    def step() -> list:
        outputs = original()
        for output in outputs:
            generated.setdefault(output.id[1], []).append(output.codes)
        return outputs

    engine._pipeline.lm.step = step
    try:
        engine.add(job(text=LONG, options={"chunk_length": 30}, codes_only=True))
        chunk = drain(engine)[0]
    finally:
        engine._pipeline.lm.step = original
    assert isinstance(chunk, CodesChunk)
    assert chunk.codes.shape == (4, 33)
    in_order = [np.concatenate(generated[index], axis=1) for index in range(3)]
    np.testing.assert_array_equal(chunk.codes, np.concatenate(in_order, axis=1))


def test_codes_only_job_without_a_frame_fails(engine: FishEngine) -> None:
    engine.add(job(codes_only=True))
    events = engine._add_codes(StepOutput(("a", 0), np.zeros((4, 0), int), ended=True))
    assert [type(event) for event in events] == [Failed]
    assert "another seed" in events[0].message
    assert not engine._utterances


@pytest.mark.parametrize("speed", [0.8, 1.7])
def test_streaming_gives_the_same_audio_at_another_speed(engine: FishEngine, speed: float) -> None:
    options = {"max_new_tokens": 60}
    complete = run(engine, job(options=options, speed=speed))["a"]
    streamed = run(engine, job(options=options, speed=speed, stream=True))["a"]
    np.testing.assert_array_equal(streamed, complete)


def test_transcript_in_another_language_does_not_change_the_text(engine: FishEngine) -> None:
    codes = npy(np.zeros((4, 5), int))
    options = {"prompt_tokens": codes, "prompt_text": "こんにちは。", "use_g2p": True}
    engine.add(job(text="你好吗。", options=options))
    after_transcript = engine._utterances["a"].text.chunks[0].rows[0].tolist()
    engine.abort("a")
    engine.add(job(text="你好吗。", options={"use_g2p": True}))
    alone = engine._utterances["a"].text.chunks[0].rows[0].tolist()
    engine.abort("a")
    assert after_transcript[-len(alone) + 10 :] == alone[10:]


def test_every_chunk_is_prompted_with_the_reference(engine: FishEngine) -> None:
    added = []
    original = engine._pipeline.lm.add
    engine._pipeline.lm.add = lambda sequence: added.append(sequence) or original(sequence)
    try:
        run(engine, job(text=LONG, reference=clip(4), options={"chunk_length": 30}))
    finally:
        engine._pipeline.lm.add = original
    frames = engine._references._cache.get(clip(4).digest).shape[1]
    codes = [sequence.prompt[1:, -frames:].tolist() for sequence in added]
    assert codes[0] == codes[1] == codes[2]
    assert min(min(row) for row in codes[0]) >= 2


def test_streaming_gives_the_same_audio_sooner(engine: FishEngine) -> None:
    options = {"max_new_tokens": 60}
    complete = run(engine, job(options=options))["a"]
    streamed = run(engine, job(options=options, stream=True))["a"]
    np.testing.assert_allclose(streamed, complete, atol=1e-6)
    engine.add(job(options=options, stream=True))
    emitted_at = []
    for step in range(1000):
        events = engine.step()
        emitted_at += [step for event in events if isinstance(event, AudioChunk)]
        if any(isinstance(event, Finished) for event in events):
            break
    assert emitted_at[0] < 25  # 4 frames and the next 19, which the decoder needs, one per step
    assert len(emitted_at) > 2


def test_language_and_order_select_japanese(engine: FishEngine) -> None:
    order = run(engine, job(text="東京", options={"order": "jp,zh,en", "use_g2p": True}))["a"]
    np.testing.assert_array_equal(run(engine, job(text="東京", language="ja", options={"use_g2p": True}))["a"], order)
    chinese = run(engine, job(text="東京", options={"use_g2p": True}))["a"]
    assert not np.array_equal(chinese, order)


def test_accents_are_removed(engine: FishEngine) -> None:
    np.testing.assert_array_equal(run(engine, job(text="Café"))["a"], run(engine, job(text="Cafe"))["a"])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"voice": "unknown"}, "voice"),
        ({"text": "Привет"}, "text"),
        ({"text": "..."}, "text"),
        ({"reference": clip(text="Привет")}, "reference_text"),
        ({"reference": clip(seconds=0.01)}, "reference_audio"),
        ({"reference": clip(seconds=60)}, "reference_audio"),
        ({"options": {"prompt_tokens": "AAAA"}}, "options.prompt_tokens"),
        ({"options": {"prompt_tokens": npy(np.full((4, 3), 160))}}, "options.prompt_tokens"),
        ({"options": {"prompt_tokens": npy(np.zeros((4, 3), int))}, "reference": clip()}, "options.prompt_tokens"),
        ({"options": {"prompt_text": "안녕", **VOICE}}, "options.prompt_text"),
        ({"options": {"prompt_text": "Hi."}}, "options.prompt_text"),
        ({"options": {"prompt_text": "Hi."}, "reference": clip()}, "options.prompt_text"),
        ({"options": {**VOICE, "prompt_text": "a <b>bold</b> word", "use_g2p": True}}, "options.prompt_text"),
        ({"options": {**VOICE, "prompt_text": "word " * 300}}, "options.prompt_text"),
        ({"options": {"prompt_tokens": npy(np.zeros((4, 500), int))}}, "options.prompt_tokens"),
        ({"reference": clip(text="phone <p:Q9>"), "options": {"use_g2p": True}}, "reference_text"),
        ({"options": {"max_new_tokens": 1}}, "options.max_new_tokens"),
        ({"text": "Hello </s> there"}, "text"),
        ({"options": {"top_p": 0}}, "options.top_p"),
        ({"options": {"order": "de"}}, "options.order"),
        ({"options": {"speaker": "a]b"}}, "options.speaker"),
        ({"text": "word " * 500, "options": {"chunk_length": 0}}, "text"),
        ({"text": "word " * 500, "options": {"chunk_length": 0}, "reference": clip()}, "text"),
    ],
)
def test_invalid_job_names_its_parameter_and_leaves_nothing(engine: FishEngine, fields: dict, param: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        engine.add(job(**fields))
    assert caught.value.param == param
    assert not engine._utterances
    assert not len(engine._pipeline.lm)
    assert not len(engine._references)
    assert engine.step() == ()


def test_failing_reference_fails_its_jobs_only(engine: FishEngine) -> None:
    expected = run(engine, job("good"))["good"]
    original = engine._pipeline.codec.encode

    def broken(audios: list) -> list:
        raise RuntimeError("no memory")

    engine._pipeline.codec.encode = broken
    try:
        engine.add(job("good"))
        engine.add(job("bad", reference=clip(9)))
        engine.add(job("also bad", reference=clip(9)))
        failed, parts, ended = [], [], False
        while not ended:
            for event in engine.step():
                match event:
                    case Failed():
                        failed.append(event.job_id)
                        assert "no memory" in event.message
                    case AudioChunk():
                        parts.append(event.samples)
                    case Finished():
                        ended = True
    finally:
        engine._pipeline.codec.encode = original
    assert failed == ["bad", "also bad"]
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    assert len(run(engine, job("bad", reference=clip(9)))["bad"])  # the failure is not cached


def test_aborted_jobs_leave_nothing(engine: FishEngine) -> None:
    engine.add(job("queued", reference=clip(11)))
    engine.add(job("active", text=LONG, options={"chunk_length": 30}))
    engine.step()
    for job_id in ("queued", "active", "active", "unknown"):
        engine.abort(job_id)
    assert not len(engine._pipeline.lm)
    assert not len(engine._pipeline.decoder)
    assert engine.step() == ()


def test_int8_model_generates_speech(model: dict) -> None:
    engine = FishPlugin(EngineConfig("fish", device="cpu", model={**model, "quantize": "int8"}, defaults=SHORT)).load()
    assert "int8" in engine.capabilities.model
    assert len(run(engine, job())["a"]) == 11 * FRAME_SAMPLES
    engine.close()
