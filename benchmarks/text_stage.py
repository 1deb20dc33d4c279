"""Measure what the text stage costs: the time for one request's text, and the delay of the first audio of a long text.

    python benchmarks/text_stage.py [--rounds 300]

Two parts, each printed with its workload:

- the stage alone, in this process, on texts of about 100 characters that are new each time, so that no cache helps;
- a running gateway with the lite engine, whose own normalizer reads digits too: time to the first byte of a streamed
  text of 5,000 characters with ``normalize`` true and false, by turns.
"""

from __future__ import annotations

import argparse
import platform
import random
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from support.gateway_process import start_gateway, wait_ready  # noqa: E402

from backends.base import Capabilities  # noqa: E402
from backends.text import Alphabet  # noqa: E402
from gateway.text.stage import TextOptions, prepare  # noqa: E402

LETTERS = Capabilities("none", 24000, ("en", "zh", "ja", "de"), "none", "none", (), 100_000, 1, {}, alphabet=Alphabet())


# Every # becomes a digit. Each text has some 100 characters.
TEXTS = {
    "en, words only": (
        "en",
        "The old lighthouse keeper never said a word about the ships he had seen on all those long nights.",
    ),
    "en, three numbers": (
        "en",
        "I bought # apples and ## pears for $#.## at the market, and then we all went home again at last.",
    ),
    "en, an invoice": (
        "en",
        "Invoice ####, 1# May 20##: ## x 1.# kg at ##%, total €#,###.##; due on 2#.0#.20## by 1#:##.",
    ),
    "zh, five numbers": (
        "zh",
        "我在20##年#月买了##个苹果，价格是###元，比去年增长了##%，然后我们一起回家了，天气非常好，大家都很高兴，"
        "晚上还看了一场电影，又在外面吃了饭，大家谈了很久，最后在车站说了再见，各自回家去了。",
    ),
    "de, three numbers": (
        "de",
        "Am 1#. Mai kaufte ich ## Äpfel für ##,## €, und danach gingen wir alle zusammen nach Hause zurück.",
    ),
}


def _drawn(name: str, draw: random.Random) -> str:
    return re.sub("#", lambda _: str(draw.randint(1, 9)), TEXTS[name][1])


def stage_alone(rounds: int) -> None:
    draw = random.Random(1)
    times: dict[str, list[float]] = {}
    for index in range(rounds + 5):
        for name, (language, _) in TEXTS.items():
            text = _drawn(name, draw)
            began = time.perf_counter()
            prepare(text, TextOptions(language), LETTERS)
            if index >= 5:  # the first ones import the rules
                times.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    print(f"{'text of about 100 characters':30} {'p50':>8} {'p95':>8}")
    for name, measured in times.items():
        print(f"{name:30} {statistics.median(measured):6.2f}ms {sorted(measured)[int(0.95 * len(measured))]:6.2f}ms")


def first_audio(rounds: int) -> None:
    draw = random.Random(2)
    with tempfile.TemporaryDirectory() as folder:
        gateway = start_gateway(Path(folder), {"include": [str(HERE.parent / "configs/gateway.yaml")], "port": 0})
        try:
            wait_ready(gateway)
            times: dict[bool, list[float]] = {True: [], False: []}
            for index in range(rounds + 1):
                kinds = ("en, words only", "en, words only", "en, three numbers") * 20
                text = " ".join(_drawn(name, draw) for name in kinds)[:5000]
                for normalize in (True, False):
                    body = {
                        "text": text[:5000],
                        "engine": "lite",
                        "stream": True,
                        "format": "pcm",
                        "normalize": normalize,
                    }
                    began = time.perf_counter()
                    with gateway.client.stream("POST", "/tts", json=body) as response:
                        next(response.iter_bytes())
                    if index:
                        times[normalize].append((time.perf_counter() - began) * 1000)
        finally:
            gateway.stop()
    on, off = (statistics.median(times[normalize]) for normalize in (True, False))
    print(
        f"first audio of 5,000 characters, lite: {on:.0f} ms with the normalizer, {off:.0f} ms without ({on / off:.2f})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    args = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}")
    stage_alone(args.rounds)
    first_audio(max(3, args.rounds // 20))
