"""Error of the predicted length of audio, before and after learning: |predicted - actual| / actual.

Each engine speaks random passages of its languages, of one to six sentences, at three speeds, after the gateway's text
stage. The engine runs in this process, one job at a time.

    python benchmarks/length_prediction.py [--engines tone lite] [--jobs 60]    # also f5-mini, fish-mini
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # a plain checkout, without installation

from backends.base import AudioChunk, Capabilities, Engine, EngineConfig, Failed, Finished, Job
from backends.registry import Registry
from gateway.engine.prediction import LengthPredictor
from gateway.settings import EngineSettings
from gateway.settings_sources import config_folder, load_settings
from gateway.text.stage import TextOptions, prepare, select_categories

SENTENCES = {
    "en": (
        "Yes.",
        "Good morning!",
        "Please call me back tomorrow.",
        "The train leaves at 7:45 from platform 3.",
        "What is the weather like in the mountains today?",
        "Our office is open from nine to five, Monday to Friday.",
        "It was the best of times, it was the worst of times.",
        "She paid $45 for the ticket, which was more than he had expected.",
        "The committee reviewed the proposal, and after a long discussion it decided to postpone the vote.",
    ),
    "de": ("Ja.", "Guten Morgen!", "Der Zug fährt um 7:45 Uhr.", "Am Abend gingen sie am Fluss entlang nach Hause."),
    "es": ("Sí.", "¡Buenos días!", "El tren sale a las 7:45.", "Por la noche volvieron a casa a lo largo del río."),
    "ru": ("Да.", "Доброе утро!", "Поезд уходит утром.", "Вечером они шли домой вдоль реки и молчали."),
    "zh": ("是的。", "早上好！", "火车三点开。", "今天天气很好，我们去公园散步吧。"),
    "ja": ("はい。", "おはようございます。", "電車は三時に出ます。", "今日はいい天気ですから、公園を散歩しましょう。"),
    "ko": ("네.", "좋은 아침입니다!", "기차는 세 시에 출발합니다.", "오늘은 날씨가 좋으니 공원을 산책합시다."),
}
SPEEDS = (0.8, 1.0, 1.3)
TONE = EngineSettings(backend="tone", model={"languages": list(SENTENCES)})


def settings_of(name: str) -> EngineSettings:
    if name == "tone":
        return TONE
    engines = load_settings(config_folder() / f"engines/{name}.yaml", {"default_engine": name.split("-")[0]}).engines
    return engines[name.split("-")[0]]


def jobs(capabilities: Capabilities, count: int) -> list[Job]:
    rng = random.Random(1)
    made = []
    for number in range(count):
        language = rng.choice([name for name in SENTENCES if name in capabilities.languages])
        text = " ".join(rng.choices(SENTENCES[language], k=rng.randint(1, 6)))
        options = TextOptions(language, select_categories(True))
        spoken = prepare(text, options, capabilities).spoken_text
        voice = rng.choice(capabilities.voices).name
        made.append(Job(str(number), spoken, seed=number, speed=rng.choice(SPEEDS), language=language, voice=voice))
    return made


def length_s(engine: Engine, job: Job, rate_hz: int) -> float:
    engine.add(job)
    samples = 0
    while True:
        for event in engine.step():
            match event:
                case AudioChunk():
                    samples += len(event.samples)
                case Finished():
                    return samples / rate_hz
                case Failed():
                    raise SystemExit(f"{job.text!r}: {event.message}")


def row(name: str, learnt: int, errors: Sequence[float]) -> str:
    ordered = sorted(errors)
    p50, p90 = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.9))
    return f"| {name} | {learnt} | {len(errors)} | {p50:.0%} | {p90:.0%} | {ordered[-1]:.0%} |"


def measure(name: str, count: int) -> None:
    settings = settings_of(name)
    config = EngineConfig(name, threads=settings.threads, model=settings.model, defaults=settings.defaults)
    engine = Registry().plugin_class(settings.backend)(config).load()
    capabilities = engine.capabilities
    lengths, cold, warm = LengthPredictor(), [], []
    for number, job in enumerate(jobs(capabilities, count)):
        actual_s = length_s(engine, job, capabilities.sample_rate_hz)
        cold.append(abs(LengthPredictor().predict(job) - actual_s) / actual_s)
        if number >= count // 3:
            warm.append(abs(lengths.predict(job) - actual_s) / actual_s)
        lengths.learn(job, actual_s)
    engine.close()
    print(row(name, 0, cold))
    print(row(name, count // 3, warm), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=["tone", "lite"])
    parser.add_argument("--jobs", type=int, default=60)
    arguments = parser.parse_args()
    print("| engine | jobs learnt before | jobs predicted | median | p90 | largest |")
    print("| --- | --- | --- | --- | --- | --- |")
    for engine_name in arguments.engines:
        measure(engine_name, arguments.jobs)
