"""The recipe of fish-mini: its networks and its training prompts match the engine's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backends.fish.v0_2.codec.checkpoint import load_vqgan
from backends.fish.v0_2.codec.mel import LogMel
from backends.fish.v0_2.config import CODE_OFFSET
from backends.fish.v0_2.lm.checkpoint import load_language_model
from backends.fish.v0_2.lm.kv_cache import PrefillAttention
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.prompt import prompt_rows, spell, with_codes
from backends.fish.v0_2.text.tokenizer import load_tokenizer
from recipes.common.align import align_phones
from recipes.fish_mini.columns import END_CODE, Utterance, build_sequence, stack
from recipes.fish_mini.export import codec_tensors, lm_tensors
from recipes.fish_mini.lm import CONFIG, IGNORED, CausalAttention, build_lm, losses
from recipes.fish_mini.vocabulary import END_ID, PAD_ID, SIZE, text_ids, write_tokenizer
from recipes.fish_mini.vqgan import MelCodec, build_generator

CPU = torch.device("cpu")
EN = ("en",)


def phones_of(text: str, phonemizer: Phonemizer) -> list[str]:
    return [name.removeprefix("<p:").removesuffix(">") for name in spell(text, phonemizer, EN).split()]


def utterance(phones: str, frames: int, seed: int, has_loss: bool = True) -> Utterance:
    ids = np.asarray(text_ids(phones.split())[2:-1], np.int16)
    codes = np.random.default_rng(seed).integers(0, 160, (4, frames)).astype(np.uint8)
    return Utterance(ids, codes, np.linspace(0, len(ids) - 1, frames).astype(np.int16), has_loss)


def test_align_phones_gives_the_teachers_end_times() -> None:
    letters = "ðə bˈɜɹʧ."
    ends = [0.1 * (index + 1) for index in range(len(letters))]
    found, misfit = align_phones("DH AH0 B ER1 CH .".split(), letters, ends)
    assert misfit < 0.05
    assert [letters[round(end * 10) - 1] for end in found] == ["ð", " ", "b", "ɜ", "ʧ", "."]
    assert align_phones("K AE1 T".split(), letters, ends)[1] > 0.5


@pytest.mark.parametrize("text", ["The birch canoe, isn't it? Oh, no!", "Well-known, thirty one."])
def test_sequence_matches_the_engines_prompt(tmp_path: Path, text: str) -> None:
    write_tokenizer(tmp_path)
    tokenizer, phonemizer = load_tokenizer(tmp_path), Phonemizer()
    assert (tokenizer.size, tokenizer.eos_id, tokenizer.pad_id) == (SIZE, END_ID, PAD_ID)
    said, phones = "Go on.", phones_of(text, phonemizer)
    first = utterance(" ".join(phones_of(said, phonemizer)), 5, 0)
    sequence = build_sequence([first, utterance(" ".join(phones), 7, 1)])
    transcript = spell(said, phonemizer, EN)
    rows = prompt_rows(tokenizer, text, transcript=transcript, phonemizer=phonemizer, order=EN)
    prompt = with_codes(rows, first.codes, tokenizer.pad_id)
    np.testing.assert_array_equal(sequence["ids"][: prompt.shape[1]], prompt.T)


def test_losses_cover_frames_of_unaltered_utterances_and_the_end() -> None:
    one, altered = utterance("G OW1 .", 6, 0), utterance("N OW1 .", 4, 1, has_loss=False)
    sequence = build_sequence([altered, one])
    wanted = np.flatnonzero(sequence["text"] != IGNORED)
    assert wanted.tolist() == list(range(len(sequence["ids"]) - 7, len(sequence["ids"])))
    assert sequence["text"][wanted].tolist() == [PAD_ID] * 6 + [END_ID]
    np.testing.assert_array_equal(sequence["codes"][wanted[:-1]], one.codes.T.astype(int) + CODE_OFFSET)
    assert (sequence["codes"][wanted[-1]] == END_CODE).all()


def test_exported_codec_matches_training(tmp_path: Path) -> None:
    torch.manual_seed(0)
    lower, upper = MelCodec().eval(), build_generator()
    samples = torch.randn(1, 24000) * 0.1
    with torch.no_grad():
        mel = LogMel()(samples)
        lower.start_codebooks(torch.randn(8, 192, 200))
        torch.save(codec_tensors(lower.state_dict(), upper.state_dict()), tmp_path / "codec.pth")
        codec = load_vqgan(tmp_path / "codec.pth", CPU)
        codes = lower.encode(mel)
        whole = 24000 // 1024 - 4  # the last ones depend on the end, which the engine masks
        (found,) = codec.encode([samples[0].numpy()])
        assert np.mean(found[:, :whole] == codes[0, :, :whole].numpy()) > 0.99
        made = upper(lower.decode(codes))[0, 0].numpy()
    np.testing.assert_allclose(codec.decode([codes[0].numpy()])[0], made, atol=1e-4)


def test_exported_language_model_matches_training(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_lm()
    torch.save(lm_tensors(model.state_dict(), buffers=True), tmp_path / "lm.pth")
    engine = load_language_model(tmp_path / "lm.pth", CONFIG, CPU, torch.float32, None, "lm_config")
    batch = stack([build_sequence([utterance("G OW1 .", 9, 2)])])
    columns = batch.ids.shape[1]
    with torch.no_grad():
        logits = model(batch.ids[0], torch.arange(columns), CausalAttention(1))
        attention = PrefillAttention(engine.cache(1, 64), 0, 0, columns, columns)
        expected = engine(batch.ids[0], torch.arange(columns), attention)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-3)


def test_training_steps_reduce_the_loss() -> None:
    torch.manual_seed(0)
    model = build_lm()
    batch = stack(
        [build_sequence([utterance("G OW1 .", 9, 2)]), build_sequence([utterance("N OW1 . HH AY1 .", 12, 3)])]
    )
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    costs = []
    for _ in range(4):
        found = losses(model, batch.ids, batch.text, batch.codes, batch.phone_columns, guided=True)
        total = found["text"] + found["codes"] + found["guide"]
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        costs.append(float(total.detach()))
    assert costs[-1] < costs[0] - 0.1
