"""The page's quality check of clips beside the gateway's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import soundfile

from gateway.audio import voice_check
from gateway.errors import InvalidRequest

ROOT = Path(__file__).parents[2]
CHECK = ROOT / "gateway/webui/static/clip/check.js"
RATE_HZ = 24_000
PROGRAM = f"""
import {{ readFileSync }} from 'node:fs';
import * as check from {json.dumps(CHECK.as_uri())};
const limits = {{ min_s: 1, max_s: 30, max_bytes: 1e6 }};
const refusals = process.argv.slice(1).map((path) => {{
  const bytes = readFileSync(path);
  const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return check.checkClip(samples, {RATE_HZ}, limits).filter((one) => one.isRefused).map((one) => one.kind);
}});
console.log(JSON.stringify({{ refusals, level: check.MIN_LEVEL_DBFS, variation: check.MIN_VARIATION_DB }}));
"""


def clips() -> dict[str, np.ndarray]:
    """Samples by description, shape (N,)."""
    voice, rate_hz = soundfile.read(ROOT / "backends/f5/assets/f5_mini/voices/clear.wav", dtype="float32")
    assert rate_hz == RATE_HZ
    rng = np.random.default_rng(0)
    hiss = rng.standard_normal(len(voice)).astype(np.float32)
    time_s = np.arange(len(voice)) / RATE_HZ
    hum = 0.3 * np.sin(2 * np.pi * 50 * time_s) + 0.3 * np.sin(2 * np.pi * 150 * time_s)
    return {
        "voice": voice,
        "quiet voice": voice * 0.01,
        "too quiet voice": voice * 0.003,
        "voice in hiss of its own power": voice + hiss * voice.std(),
        "voice with hum and offset": voice + 0.1 * np.sin(2 * np.pi * 50 * time_s) + 0.2,
        "hiss": 0.1 * hiss,
        "quiet hiss": 0.002 * hiss,
        "hum": hum,
        "zeros": np.zeros_like(voice),
    }


def refusal(samples: np.ndarray) -> str:
    try:
        voice_check.check_voice(samples, RATE_HZ, "audio")
    except InvalidRequest as error:
        return "silent" if "silent" in error.message else "steady"
    return ""


def test_page_refuses_what_the_gateway_refuses(tmp_path: Path) -> None:
    paths = []
    for name, samples in clips().items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(samples.astype(np.float32).tobytes())
    run = subprocess.run(
        ["node", "--input-type=module", "-e", PROGRAM, *map(str, paths)], capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    assert (found["level"], found["variation"]) == (voice_check.MIN_LEVEL_DBFS, voice_check.MIN_VARIATION_DB)
    ours = {name: refusal(samples.astype(np.float32)) for name, samples in clips().items()}
    assert dict(zip(ours, ("".join(kinds) for kinds in found["refusals"]), strict=True)) == ours
    assert set(ours.values()) == {"", "silent", "steady"}
