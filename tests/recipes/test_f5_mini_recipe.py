"""The recipe of f5-mini: what is trained is what the engine runs, and sequences of training are those of the engine."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from support.f5.synthetic import official_class

from backends.base import EngineConfig, Job
from backends.f5.checkpoint import load_model
from backends.f5.chunking import prompt_text
from backends.f5.config import HOP_SAMPLES, RATE_HZ, Architecture, read_architecture
from backends.f5.engine import F5Engine
from backends.f5.layers import upsample_text
from backends.f5.mel import LogMel
from backends.f5.packing import SampleShape
from backends.f5.reference_audio import ensure_sentence_end
from backends.f5.vocabulary import read_vocabulary
from backends.f5.vocoder import load_vocoder
from backends.fish.v0_2.text.phonemizer import Phonemizer
from recipes.common.places import HELD_OUT_SHARD, SOUND
from recipes.common.score import speak
from recipes.common.sentences import held_out, judged, tidy
from recipes.common.teacher import DEEPER, PLAIN, TEACHER_HZ, Manner, utterance
from recipes.common.words import SHORT, TEMPLATES, fill, greetings
from recipes.f5_mini import export, features, flow, pretrain_text, train, vocoder
from recipes.f5_mini.dit import ARCHITECTURE, DiT
from recipes.f5_mini.features import Utterance
from recipes.f5_mini.flow import Learner, draw, losses, missed_aims
from recipes.f5_mini.sequences import Plan, Sequences, arrange, row, spread, stack
from recipes.f5_mini.spelling import FOLD, IDS, PHONE_IDS, SYMBOLS, ids, write_vocabulary, written

CPU = torch.device("cpu")
SMALL = Architecture(
    dim=64,
    depth=6,
    heads=2,
    dim_head=32,
    ff_mult=2,
    text_dim=32,
    text_embedding_average_upsampling=True,
    conv_layers=1,
)
SPOKEN = {
    "Go on.": "G OW1 AA1 N .",
    "The birch, isn't it?": "DH AH0 B ER1 CH , IH1 Z AH0 N T IH1 T ?",
    "Six boxes.": "S IH1 K S B AA1 K S AH0 Z .",
    "He thought so.": "HH IY1 TH AO1 T S OW1 .",
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def lines(phone_s: float = 0.08, quiet_s: float = 0.05) -> list[dict]:
    """What the teacher would write of :data:`SPOKEN`, every phone equally long."""
    found = []
    for index, (text, phones) in enumerate(SPOKEN.items()):
        ends = [round(quiet_s + phone_s * (place + 1), 3) for place in range(len(phones.split()))]
        samples = int((ends[-1] + quiet_s) * RATE_HZ)
        about = {"text": text, "phones": phones, "ends": ends, "samples": samples}
        found.append(about | {"speed": 1.0, "deeper": bool(index % 2)})
    return found


def sound(about: dict, seed: int = 0) -> np.ndarray:
    """Noise, quiet where nothing is spoken."""
    samples = np.random.default_rng(seed).normal(0, 0.1, about["samples"]).astype(np.float32)
    quiet = int(0.05 * RATE_HZ)
    samples[:quiet], samples[-quiet:] = 0, 0
    return samples


def write_sound(work: Path) -> None:
    folder = work / SOUND
    folder.mkdir(parents=True)
    for name in (HELD_OUT_SHARD, "shard_000"):
        pcm = np.concatenate([sound(about, seed) for seed, about in enumerate(lines())])
        (pcm.clip(-1, 1) * 32767).astype(np.int16).tofile(folder / f"{name}.i16")
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(about) + "\n" for about in lines()))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with features of four utterances in two voices."""
    folder = tmp_path_factory.mktemp("work")
    write_sound(folder)
    for name in (HELD_OUT_SHARD, "shard_000"):
        features.add(folder, name)
    assert [len(features.read(folder, name)) for name in (HELD_OUT_SHARD, "shard_000")] == [4, 4]
    return folder


@pytest.fixture(scope="module")
def utterances(work: Path) -> list[Utterance]:
    return features.read(work, "shard_000")


@pytest.mark.parametrize(
    ("text", "phones", "letters"),
    [
        ("the birch canoe,", "DH AH0 B ER1 CH K AH0 N UW1 ,", "t e b r c c a n o ,"),
        ("six boxes.", "S IH1 K S B AA1 K S AH0 Z .", "s i x x b o x x e s ."),
        ("he thought so?", "HH IY1 TH AO1 T S OW1 ?", "h e t o t s o ?"),
        ("knee-deep", "N IY1 - D IY1 P", "n e - d e p"),
    ],
)
def test_letters_stand_for_phones(text: str, phones: str, letters: str) -> None:
    places, misfit = written(text, phones.split())
    assert [text[place] for place in places] == letters.split()
    assert places == sorted(places)
    assert misfit < 0.25


def test_ids_are_those_of_the_engine(tmp_path: Path) -> None:
    words, rng = read_vocabulary(write_vocabulary(tmp_path)), random.Random(0)
    patterns = [fill(pattern, rng) for pattern in (*TEMPLATES, *SHORT)]
    for text in [*held_out(), *judged(), *greetings(), *patterns, "The U.N. is well-known, isn't it? No!"]:
        assert ids(text) == list(words.ids(text)), text
    assert tidy("back at the ranch...") is None  # there f5-tts has spaces of its own


def test_letters_of_another_sentence_do_not_fit() -> None:
    assert written("the birch canoe.", "S AH1 M TH IH0 NG EH1 L S .".split())[1] > features.WORST_FIT


def test_the_alphabet_has_no_capitals_of_its_own() -> None:
    assert "".join(SYMBOLS[place] for place in FOLD[[IDS[letter] for letter in "Go, X?"]]) == "go, x?"


def test_frames_know_phone_and_letter(utterances: list[Utterance]) -> None:
    about, one = lines()[0], utterances[0]
    times = np.arange(len(one.phones)) * features.FRAME_S
    middle = [int(np.argmin(abs(times - (end - 0.04)))) for end in about["ends"]]
    assert [PHONE_IDS[phone] for phone in about["phones"].split()] == one.phones[middle].tolist()
    assert [SYMBOLS[one.symbols[place]] for place in one.places[middle]] == ["g", "o", "o", "n", "."]
    assert one.sounds[0].tolist() == [PHONE_IDS["G"], 0]
    mel = LogMel()(torch.from_numpy(features.level(sound(about)))).numpy()
    np.testing.assert_allclose(one.mel, mel[: len(one.mel)], atol=0.02)
    assert abs(one.quiet[0] - 0.05 * RATE_HZ / 256) < 1.5


def test_sequences_are_those_of_the_engine(utterances: list[Utterance]) -> None:
    texts = list(SPOKEN)
    plan = arrange([utterances[0], utterances[2]], np.random.default_rng(0), prompted=True)
    expected = FOLD[ids(prompt_text(ensure_sentence_end(texts[0])) + texts[2])]
    one = row(plan)
    np.testing.assert_array_equal(one["symbols"], expected + 1)
    known = np.flatnonzero(~one["span"])
    assert known.tolist() == list(range(plan.parts[0].frames))
    np.testing.assert_array_equal(one["mels"][: plan.parts[0].last - plan.parts[0].first], utterances[0].mel[
        plan.parts[0].first : plan.parts[0].last
    ])  # fmt: skip


@pytest.mark.parametrize(("symbols", "frames"), [(7, 30), (7, 35), (5, 6), (11, 90)])
def test_letters_are_spread_as_the_engine_spreads_them(symbols: int, frames: int) -> None:
    vectors = F.pad(torch.arange(float(symbols)), (0, frames - symbols))[None, :, None]
    np.testing.assert_array_equal(spread(symbols, frames), upsample_text(vectors, symbols)[0, :, 0].numpy())


def test_aims_are_where_the_spoken_letter_is_carried(utterances: list[Utterance]) -> None:
    plan = arrange([utterances[1], utterances[3]], np.random.default_rng(1), prompted=True)
    one = row(plan.filled(plan.frames + 9))
    said = []
    for frame in range(plan.frames + 9):
        first, count = one["aims"][frame]
        (place,) = set(one["carried"][first : first + count].tolist())
        assert (one["carried"] == place).sum() == count
        said.append(SYMBOLS[one["symbols"][place] - 1])
    heard = "".join(letter for letter, before in zip(said, ["", *said], strict=False) if letter != before)
    assert heard == "tebrc,isntit?hetotso."  # silent letters are never aimed at
    assert one["span"][-9:].all()


def test_missed_aims_is_minus_the_log_of_what_hits() -> None:
    scores = torch.zeros(1, 2, 10)
    scores[0, 1, 4:6] = 50.0
    aims = torch.tensor([[[2, 3], [4, 2]]])
    torch.testing.assert_close(missed_aims(scores, aims), torch.tensor([[-np.log(0.3), 0.0]], dtype=torch.float32))


def test_a_batch_is_of_one_length_and_each_row_of_one_voice(utterances: list[Utterance]) -> None:
    sequences = Sequences(utterances, seed=1, longest=300, frames=900)
    seen: list[list[Plan]] = sequences.pool(0)
    assert {one.deeper for plans in seen for plan in plans for one in (part.utterance for part in plan.parts)} == {
        False,
        True,
    }
    for plans in seen:
        assert all(len({part.utterance.deeper for part in plan.parts}) == 1 for plan in plans)
        longest = max(plan.frames for plan in plans)
        assert longest * len(plans) <= 900
        batch = stack(plans)
        assert batch.mels.shape[:2] == batch.span.shape == (len(plans), longest)
    places = [place for place, _ in zip((place for place, _ in sequences.after((0, 2))), range(3), strict=False)]
    assert places == [(0, 3), (0, 4), (0, 5)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[DiT, Path]:
    """A network of full size with random weights that float16 holds, and the folder it was written to."""
    torch.manual_seed(0)
    network = DiT(ARCHITECTURE)
    for _, value in network.named_parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.05)
    network.load_state_dict({name: value.half().float() for name, value in network.state_dict().items()})
    folder = tmp_path_factory.mktemp("model")
    export.write_flow(network.state_dict(), folder)
    return network.eval(), folder


def test_the_exported_network_is_the_trained_one(exported: tuple[DiT, Path]) -> None:
    network, folder = exported
    assert 12e6 < sum(value.numel() for value in network.parameters()) < 20e6
    architecture = read_architecture(folder / export.CONFIG_FILE)
    engine = load_model(folder / export.CHECKPOINT_FILE, architecture, len(SYMBOLS), CPU, torch.float32)
    weights = load_file(folder / export.CHECKPOINT_FILE)
    official = official_class("DiT")(
        **export.config(architecture)["model"]["arch"], mel_dim=100, text_num_embeds=len(SYMBOLS)
    ).eval()
    prefix = "ema_model.transformer."
    official.load_state_dict({k.removeprefix(prefix): v.float() for k, v in weights.items() if k.startswith(prefix)})
    text, frames, known = "He Thought so, a B?", 61, 20
    ids = torch.tensor([IDS[symbol] for symbol in text])
    noisy, mel = torch.randn(frames, 100), torch.randn(frames, 100)
    times, condition = torch.tensor([0.0031, 0.4]), F.pad(mel[:known], (0, 0, 0, frames - known))
    folded = torch.from_numpy(FOLD.astype(np.int64))[ids] + 1
    carried = torch.from_numpy(spread(len(ids), frames))
    with torch.inference_mode():
        plan = engine.prepare([SampleShape(frames, 2, 0)], [engine.condition(mel[:known], ids, frames, guided=True)])
        for step, time in enumerate(times):
            made = network(
                noisy.expand(2, -1, -1),
                torch.stack((condition, torch.zeros_like(condition))),
                folded.expand(2, -1),
                carried.expand(2, -1),
                time.expand(2),
                torch.tensor([False, True]),
            )
            spoken = engine(noisy, plan, [(engine.condition_times(times), step)]).view(2, frames, 100)
            torch.testing.assert_close(made, spoken, atol=1e-4, rtol=1e-3)
            for index, drop in enumerate((False, True)):
                theirs = official(noisy[None], condition[None], ids[None], time, drop_audio_cond=drop, drop_text=drop)
                torch.testing.assert_close(made[index], theirs[0], atol=1e-4, rtol=1e-3)


def test_the_engine_speaks_what_was_exported(exported: tuple[DiT, Path]) -> None:
    _, folder = exported
    torch.manual_seed(0)
    vocos = vocoder.Vocos().eval()
    vocos.load_state_dict({name: value.half().float() for name, value in vocos.state_dict().items()})
    export.write_vocoder(vocos.state_dict(), folder / export.VOCODER_FOLDER)
    mel = torch.randn(40, 100)
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        expected = vocos.head(vocos.backbone(mel.T[None]))[0]
    made = load_vocoder(folder / export.VOCODER_FOLDER, CPU).decode([mel])[0]
    torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-3)
    samples = sound(lines()[3])
    export.write_voices([("someone", "He thought so.", samples)], folder / export.VOICES_FOLDER)
    engine = F5Engine(EngineConfig("f5-mini", "cpu", "float32", 1, export.engine_config(folder), {"nfe": 5}))
    engine.load()
    spoken = speak(engine, Job("1", "He thought so too, I hope.", 1, voice="someone"))
    engine.close()
    assert np.isfinite(spoken).all()
    assert 1.3 < len(spoken) / (len(samples) // HOP_SAMPLES) / HOP_SAMPLES < 2.6


def test_spectrograms_of_the_vocoder_are_the_engines() -> None:
    samples = torch.randn(2, 5000) * 0.1
    torch.testing.assert_close(vocoder.LogMels()(samples)[1].T, LogMel()(samples[1]), atol=1e-4, rtol=1e-4)


def test_steps_make_it_better(utterances: list[Utterance]) -> None:
    torch.manual_seed(0)
    learner, rng = Learner(SMALL), np.random.default_rng(0)
    train.centre(learner, utterances)
    batch = stack(
        [arrange([utterances[0], utterances[2]], rng, prompted=True), arrange([utterances[1]], rng, prompted=False)]
    )
    optimizer = torch.optim.AdamW(learner.parameters(), 3e-3)
    costs = []
    for _ in range(25):
        at = draw(batch, torch.Generator().manual_seed(0), train.POWER, 0.0, 0.0)
        found = losses(learner, batch, at, helped=True)
        optimizer.zero_grad()
        (found["flow"] + found["phones"] + found["guide"]).backward()
        optimizer.step()
        costs.append({name: float(value.detach()) for name, value in found.items()})
    for name in ("flow", "phones", "guide"):
        assert costs[-1][name] < 0.8 * costs[0][name], name
    assert set(losses(learner, batch, at, helped=False)) == {"flow"}


def test_what_is_known_costs_nothing_and_what_is_dropped_is_not_seen(utterances: list[Utterance]) -> None:
    torch.manual_seed(0)
    learner = Learner(SMALL)
    for value in learner.parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.05)
    plans = [arrange([utterances[0], utterances[2]], np.random.default_rng(0), prompted=True)] * 2
    batch = stack(plans)
    at = flow.fixed(batch, 0.5, 0)
    other = train.replace(batch, symbols=batch.symbols.clamp(max=3))
    with torch.no_grad():
        plain = losses(learner, batch, at, helped=False)["flow"]
        assert losses(learner, other, at, helped=False)["flow"] != plain
        alone = train.replace(at, no_text=torch.ones(2, dtype=torch.bool), no_prompt=torch.ones(2, dtype=torch.bool))
        kept = [losses(learner, one, alone, helped=False)["flow"] for one in (batch, other)]
        assert kept[0] == kept[1]


def test_going_on_is_as_not_having_stopped(work: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(train, "Learner", lambda: Learner(SMALL))
    monkeypatch.setattr(train, "JUDGED_FRAMES", 600)
    for name in ("once", "twice"):
        (tmp_path / name).mkdir()
        (tmp_path / name / features.FOLDER).symlink_to(work / features.FOLDER)

    def start(name: str) -> train.Training:
        torch.manual_seed(0)
        return train.Training(tmp_path / name, frames=500, longest=300, muon=0.02, adam=1e-3, seed=5, device=CPU)

    once, twice = start("once"), start("twice")
    told = [once.step() for _ in range(4)]
    for _ in range(2):
        twice.step()
    twice.save()
    again = start("twice")
    assert [again.step(), again.step()] == told[2:]
    for name, value in once.average.weights.items():
        torch.testing.assert_close(again.average.weights[name], value, atol=0, rtol=0)
    judged = again.judge()
    assert {"held_out_t0.1", "held_out_gap", "held_out_plan", "held_out_guide"} <= set(judged)


def test_spelling_is_learnt_and_handed_on(work: Path, tmp_path: Path) -> None:
    (tmp_path / features.FOLDER).symlink_to(work / features.FOLDER)
    torch.manual_seed(0)
    training = pretrain_text.Training(tmp_path, muon=0.02, adam=3e-3, seed=0, device=CPU)
    training.optimizer.steps = 50  # past the warm-up
    told = [training.step() for _ in range(6)]
    assert told[-1]["sounds"] < 0.7 * told[0]["sounds"]
    training.save()
    encoder = DiT().text_embed
    pretrain_text.start_text_encoder(tmp_path, encoder)
    torch.testing.assert_close(
        encoder.text_embed.weight, training.average.weights["text_embed.text_embed.weight"], atol=0, rtol=0
    )


class Hum:
    """In place of the teacher: a tone of 200 Hz, five letters long, a second at a speed of 1."""

    def __init__(self) -> None:
        self.speeds: list[float] = []

    def __call__(self, text: str, speed: float = 1.0) -> tuple[np.ndarray, str, list[float]]:
        self.speeds.append(speed)
        seconds = np.arange(int(TEACHER_HZ / speed)) / TEACHER_HZ
        ends = [0.2 * (place + 1) / speed for place in range(5)]
        return (0.1 * np.sin(2 * np.pi * 200 * seconds)).astype(np.float32), "ɡOɑn.", ends


@pytest.mark.parametrize(
    ("manner", "pitch_hz"), [(PLAIN, 200), (Manner(24000, (0.8, 0.9)), 200), (Manner(24000, (1.2, 1.2), 1.0), 164)]
)
def test_the_teacher_speaks_as_asked(manner: Manner, pitch_hz: int) -> None:
    teacher = Hum()
    made = utterance(teacher, Phonemizer(), "Go on.", manner)  # type: ignore[arg-type]
    assert made is not None
    samples, about = made
    speed = about["speed"]
    assert manner.paces[0] <= speed <= manner.paces[1]
    assert teacher.speeds == [pytest.approx(speed / (DEEPER if about["deeper"] else 1), rel=1e-3)]
    assert len(samples) / manner.rate_hz == pytest.approx(1 / speed, rel=0.01)
    assert about["ends"][-1] == pytest.approx(1 / speed, rel=0.01)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) * manner.rate_hz / len(samples) == pytest.approx(pitch_hz, abs=2)


def test_a_manner_is_the_texts_own() -> None:
    manner = Manner(24000, (0.85, 1.2), 0.5)
    drawn = [manner.of(f"Sentence {number}.") for number in range(200)]
    assert drawn == [manner.of(f"Sentence {number}.") for number in range(200)]
    assert 60 < sum(deeper for _, deeper in drawn) < 140
    assert np.ptp([speed for speed, _ in drawn]) > 0.3
    assert PLAIN.of("Go on.") == (1.0, False)


def test_prompts_are_one_for_each_voice_and_not_trained_on(work: Path) -> None:
    found = {name: (text, samples) for name, text, samples in export.prompts(work)}
    assert set(found) == {"clear", "deep"}
    assert {text for text, _ in found.values()} <= set(held_out())
    assert all(np.abs(samples).max() <= export.HIGHEST + 1e-6 for _, samples in found.values())
