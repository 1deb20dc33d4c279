"""The recipe of f5-mini: its network and its training sequences match the engine's."""

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
from backends.f5.layers import upsample_text
from backends.f5.mel import LogMel
from backends.f5.model import DiT
from backends.f5.packing import SampleShape
from backends.f5.plugin import F5Plugin
from backends.f5.reference_audio import ensure_sentence_end
from backends.f5.vocabulary import read_vocabulary
from backends.f5.vocoder import load_vocoder
from recipes.common.score import speak
from recipes.common.sentences import held_out, judged, tidy
from recipes.common.words import SHORT, TEMPLATES, fill, greetings
from recipes.common.workspace import HELD_OUT_SHARD, SOUND
from recipes.f5_mini import export, features, flow, pretrain_text, train, vocoder
from recipes.f5_mini.dit import new_network, velocity
from recipes.f5_mini.features import Utterance
from recipes.f5_mini.flow import Learner, draw, guide_loss, losses
from recipes.f5_mini.sequences import Plan, Sequences, arrange, build_row, stack, upsample_indices
from recipes.f5_mini.spelling import FOLD, IDS, PHONE_IDS, SYMBOLS, align_letters, ids, write_vocabulary

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
    """Return the teacher's description of :data:`SPOKEN`, with phones of equal length."""
    found = []
    for index, (text, phones) in enumerate(SPOKEN.items()):
        ends = [round(quiet_s + phone_s * (place + 1), 3) for place in range(len(phones.split()))]
        samples = int((ends[-1] + quiet_s) * RATE_HZ)
        about = {"text": text, "phones": phones, "ends": ends, "samples": samples}
        found.append(about | {"speed": 1.0, "deeper": bool(index % 2)})
    return found


def sound(about: dict, seed: int = 0) -> np.ndarray:
    """Return noise with silence at both ends."""
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
def test_align_letters_finds_the_letter_of_each_phone(text: str, phones: str, letters: str) -> None:
    places, misfit = align_letters(text, phones.split())
    assert [text[place] for place in places] == letters.split()
    assert places == sorted(places)
    assert misfit < 0.25


def test_ids_match_the_engines_vocabulary(tmp_path: Path) -> None:
    words, rng = read_vocabulary(write_vocabulary(tmp_path)), random.Random(0)
    patterns = [fill(pattern, rng) for pattern in (*TEMPLATES, *SHORT)]
    for text in [*held_out(), *judged(), *greetings(), *patterns, "The U.N. is well-known, isn't it? No!"]:
        assert ids(text) == list(words.ids(text)), text
    assert tidy("back at the ranch...") is None  # f5-tts puts spaces around it


def test_align_letters_with_phones_of_another_sentence_exceeds_the_worst_fit() -> None:
    assert align_letters("the birch canoe.", "S AH1 M TH IH0 NG EH1 L S .".split())[1] > features.WORST_FIT


def test_fold_maps_capitals_to_lower_case() -> None:
    assert "".join(SYMBOLS[place] for place in FOLD[[IDS[letter] for letter in "Go, X?"]]) == "go, x?"


def test_features_give_phone_and_letter_of_each_frame(utterances: list[Utterance]) -> None:
    about, one = lines()[0], utterances[0]
    times = np.arange(len(one.phones)) * features.FRAME_S
    middle = [int(np.argmin(abs(times - (end - 0.04)))) for end in about["ends"]]
    assert [PHONE_IDS[phone] for phone in about["phones"].split()] == one.phones[middle].tolist()
    assert [SYMBOLS[one.symbols[place]] for place in one.symbol_indices[middle]] == ["g", "o", "o", "n", "."]
    assert one.sounds[0].tolist() == [PHONE_IDS["G"], 0]
    mel = LogMel()(torch.from_numpy(features.normalize_loudness(sound(about)))).numpy()
    np.testing.assert_allclose(one.mel, mel[: len(one.mel)], atol=0.02)
    assert abs(one.quiet[0] - 0.05 * RATE_HZ / 256) < 1.5


def test_prompted_sequence_matches_the_engines_prompt(utterances: list[Utterance]) -> None:
    texts = list(SPOKEN)
    plan = arrange([utterances[0], utterances[2]], np.random.default_rng(0), prompted=True)
    expected = FOLD[ids(prompt_text(ensure_sentence_end(texts[0])) + texts[2])]
    one = build_row(plan)
    np.testing.assert_array_equal(one["symbols"], expected + 1)
    known = np.flatnonzero(~one["span"])
    assert known.tolist() == list(range(plan.parts[0].frames))
    np.testing.assert_array_equal(one["mels"][: plan.parts[0].last - plan.parts[0].first], utterances[0].mel[
        plan.parts[0].first : plan.parts[0].last
    ])  # fmt: skip


@pytest.mark.parametrize(("symbols", "frames"), [(7, 30), (7, 35), (5, 6), (11, 90)])
def test_upsample_indices_match_the_engines_upsampling(symbols: int, frames: int) -> None:
    vectors = F.pad(torch.arange(float(symbols)), (0, frames - symbols))[None, :, None]
    np.testing.assert_array_equal(upsample_indices(symbols, frames), upsample_text(vectors, symbols)[0, :, 0].numpy())


def test_guide_spans_cover_the_frames_of_the_spoken_letter(utterances: list[Utterance]) -> None:
    plan = arrange([utterances[1], utterances[3]], np.random.default_rng(1), prompted=True)
    one = build_row(plan.padded_to(plan.frames + 9))
    said = []
    for frame in range(plan.frames + 9):
        first, count = one["guide_spans"][frame]
        (place,) = set(one["frame_symbols"][first : first + count].tolist())
        assert (one["frame_symbols"] == place).sum() == count
        said.append(SYMBOLS[one["symbols"][place] - 1])
    spoken_letters = "".join(letter for letter, before in zip(said, ["", *said], strict=False) if letter != before)
    assert spoken_letters == "tebrc,isntit?hetotso."  # silent letters are never a target
    assert one["span"][-9:].all()


def test_guide_loss_is_minus_the_log_of_attention_on_the_span() -> None:
    scores = torch.zeros(1, 2, 10)
    scores[0, 1, 4:6] = 50.0
    spans = torch.tensor([[[2, 3], [4, 2]]])
    torch.testing.assert_close(guide_loss(scores, spans), torch.tensor([[-np.log(0.3), 0.0]], dtype=torch.float32))


def test_batch_rows_have_equal_length_and_one_voice_each(utterances: list[Utterance]) -> None:
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
    """A full-size network with random weights that float16 can represent, and its export folder."""
    torch.manual_seed(0)
    network = new_network()
    for _, value in network.named_parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.05)
    network.load_state_dict({name: value.half().float() for name, value in network.state_dict().items()})
    folder = tmp_path_factory.mktemp("model")
    export.write_flow(network.state_dict(), folder)
    return network.eval(), folder


def test_exported_network_matches_training_in_engine_and_f5_tts(exported: tuple[DiT, Path]) -> None:
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
    frame_symbols = torch.from_numpy(upsample_indices(len(ids), frames))
    with torch.inference_mode():
        plan = engine.prepare([SampleShape(frames, 2, 0)], [engine.condition(mel[:known], ids, frames, guided=True)])
        for step, time in enumerate(times):
            made = velocity(
                network,
                noisy.expand(2, -1, -1),
                torch.stack((condition, torch.zeros_like(condition))),
                folded.expand(2, -1),
                frame_symbols.expand(2, -1),
                time.expand(2),
                torch.tensor([False, True]),
            )
            spoken = engine(noisy, plan, [(engine.condition_times(times), step)]).view(2, frames, 100)
            torch.testing.assert_close(made, spoken, atol=1e-4, rtol=1e-3)
            for index, drop in enumerate((False, True)):
                theirs = official(noisy[None], condition[None], ids[None], time, drop_audio_cond=drop, drop_text=drop)
                torch.testing.assert_close(made[index], theirs[0], atol=1e-4, rtol=1e-3)


def test_engine_speaks_with_exported_model_and_vocoder(exported: tuple[DiT, Path]) -> None:
    _, folder = exported
    torch.manual_seed(0)
    vocos = vocoder.new_vocoder().eval()
    vocos.load_state_dict({name: value.half().float() for name, value in vocos.state_dict().items()})
    export.write_vocoder(vocos.state_dict(), folder / export.VOCODER_FOLDER)
    mel = torch.randn(40, 100)
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        expected = vocos.head(vocos.backbone(mel.T[None]))[0]
    made = load_vocoder(folder / export.VOCODER_FOLDER, CPU).decode([mel])[0]
    torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-3)
    samples = sound(lines()[3])
    export.write_voices([("someone", "He thought so.", samples)], folder / export.VOICES_FOLDER)
    config = EngineConfig("f5-mini", "cpu", "float32", 1, export.engine_config(folder), {"nfe": 5})
    engine = F5Plugin(config).load()
    spoken = speak(engine, Job("1", "He thought so too, I hope.", 1, voice="someone"))
    engine.close()
    assert np.isfinite(spoken).all()
    assert 1.3 < len(spoken) / (len(samples) // HOP_SAMPLES) / HOP_SAMPLES < 2.6


def test_vocoder_spectrogram_matches_the_engines() -> None:
    samples = torch.randn(2, 5000) * 0.1
    torch.testing.assert_close(vocoder.LogMels()(samples)[1].T, LogMel()(samples[1]), atol=1e-4, rtol=1e-4)


def test_training_steps_reduce_each_loss(utterances: list[Utterance]) -> None:
    torch.manual_seed(0)
    learner, rng = Learner(SMALL), np.random.default_rng(0)
    train.init_output_bias(learner, utterances)
    batch = stack(
        [arrange([utterances[0], utterances[2]], rng, prompted=True), arrange([utterances[1]], rng, prompted=False)]
    )
    optimizer = torch.optim.AdamW(learner.parameters(), 3e-3)
    costs = []
    for _ in range(25):
        at = draw(batch, torch.Generator().manual_seed(0), train.POWER, 0.0, 0.0)
        found = losses(learner, batch, at, with_auxiliary=True)
        optimizer.zero_grad()
        (found["flow"] + found["phones"] + found["guide"]).backward()
        optimizer.step()
        costs.append({name: float(value.detach()) for name, value in found.items()})
    for name in ("flow", "phones", "guide"):
        assert costs[-1][name] < 0.8 * costs[0][name], name
    assert set(losses(learner, batch, at, with_auxiliary=False)) == {"flow"}


def test_text_changes_the_loss_unless_it_is_dropped(utterances: list[Utterance]) -> None:
    torch.manual_seed(0)
    learner = Learner(SMALL)
    for value in learner.parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.05)
    plans = [arrange([utterances[0], utterances[2]], np.random.default_rng(0), prompted=True)] * 2
    batch = stack(plans)
    at = flow.fixed_draw(batch, 0.5, 0)
    other = train.replace(batch, symbols=batch.symbols.clamp(max=3))
    with torch.no_grad():
        plain = losses(learner, batch, at, with_auxiliary=False)["flow"]
        assert losses(learner, other, at, with_auxiliary=False)["flow"] != plain
        alone = train.replace(at, no_text=torch.ones(2, dtype=torch.bool), no_prompt=torch.ones(2, dtype=torch.bool))
        kept = [losses(learner, one, alone, with_auxiliary=False)["flow"] for one in (batch, other)]
        assert kept[0] == kept[1]


def test_resumed_training_equals_uninterrupted_training(
    work: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(train, "Learner", lambda: Learner(SMALL))
    monkeypatch.setattr(train, "EVALUATION_FRAMES", 600)
    for name in ("once", "twice"):
        (tmp_path / name).mkdir()
        (tmp_path / name / features.FOLDER).symlink_to(work / features.FOLDER)

    def start(name: str) -> train.Training:
        torch.manual_seed(0)
        return train.Training(tmp_path / name, frames=500, longest=300, muon=0.02, adam=1e-3, seed=5, device=CPU)

    once, twice = start("once"), start("twice")
    values = [once.step() for _ in range(4)]
    for _ in range(2):
        twice.step()
    twice.save()
    again = start("twice")
    assert [again.step(), again.step()] == values[2:]
    for name, value in once.average.weights.items():
        torch.testing.assert_close(again.average.weights[name], value, atol=0, rtol=0)
    judged = again.evaluate()
    assert {"held_out_t0.1", "held_out_gap", "held_out_plan", "held_out_guide"} <= set(judged)


def test_pretraining_reduces_the_loss_and_initializes_the_text_encoder(work: Path, tmp_path: Path) -> None:
    (tmp_path / features.FOLDER).symlink_to(work / features.FOLDER)
    torch.manual_seed(0)
    training = pretrain_text.Training(tmp_path, muon=0.02, adam=3e-3, seed=0, device=CPU)
    training.optimizer.steps = 50  # past the warm-up
    values = [training.step() for _ in range(6)]
    assert values[-1]["sounds"] < 0.7 * values[0]["sounds"]
    training.save()
    encoder = new_network().text_embed
    pretrain_text.start_text_encoder(tmp_path, encoder)
    torch.testing.assert_close(
        encoder.text_embed.weight, training.average.weights["text_embed.text_embed.weight"], atol=0, rtol=0
    )


def test_prompts_have_one_held_out_text_per_voice(work: Path) -> None:
    found = {name: (text, samples) for name, text, samples in export.prompts(work)}
    assert set(found) == {"clear", "deep"}
    assert {text for text, _ in found.values()} <= set(held_out())
    assert all(np.abs(samples).max() <= export.HIGHEST + 1e-6 for _, samples in found.values())
