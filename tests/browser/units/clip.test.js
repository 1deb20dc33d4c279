import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkClip, checkEngines, checkLength } from '../../../gateway/webui/static/clip/check.js';
import { fft } from '../../../gateway/webui/static/clip/fft.js';
import { frameLevels } from '../../../gateway/webui/static/clip/levels.js';

const RATE_HZ = 48_000;
const LIMITS = { min_s: 1, max_s: 30, max_bytes: 1e6 };

/** Syllables: a tone of 200 Hz with three bursts per second and pauses between them. */
function voice(seconds, amplitude = 0.5) {
  return Float32Array.from({ length: seconds * RATE_HZ }, (_, index) => {
    const time = index / RATE_HZ;
    return amplitude * Math.sin(2 * Math.PI * 200 * time) * Math.max(0, Math.sin(2 * Math.PI * 3 * time)) ** 2;
  });
}

/** White noise with the standard deviation `amplitude`, the same every time. */
function noise(seconds, amplitude) {
  let state = 1;
  const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647 - 0.5;
  return Float32Array.from({ length: seconds * RATE_HZ }, () => uniform() * amplitude * Math.sqrt(12));
}

const sum = (a, b) => a.map((value, index) => value + b[index]);
const kinds = (samples) => checkClip(samples, RATE_HZ, LIMITS).map(({ kind }) => kind);

test('the transform of a cosine is two lines, as its definition gives', () => {
  const real = Float64Array.from({ length: 64 }, (_, index) => Math.cos((2 * Math.PI * 5 * index) / 64));
  const imaginary = new Float64Array(64);
  fft(real, imaginary);
  real.forEach((value, bin) => assert.ok(Math.abs(value - (bin === 5 || bin === 59 ? 32 : 0)) < 1e-9, `bin ${bin}`));
  assert.ok(imaginary.every((value) => Math.abs(value) < 1e-9));
});

test('the level of a tone is that of its amplitude, and only in the band of speech', () => {
  const tone = (hertz, rateHz) => Float32Array.from({ length: rateHz }, (_, index) => 0.1 * Math.sin((2 * Math.PI * hertz * index) / rateHz));
  for (const rateHz of [8_000, 16_000, 44_100, 48_000]) {
    assert.ok(Math.abs(frameLevels(tone(1000, rateHz), rateHz).levels[10] + 23) < 0.1, `${rateHz} Hz`);
  }
  assert.ok(frameLevels(tone(30, RATE_HZ), RATE_HZ).levels[10] < -65);
  assert.ok(frameLevels(tone(8000, RATE_HZ), RATE_HZ).levels[10] < -65);
});

test('a clean voice has no finding, whether loud or quiet', () => {
  for (const amplitude of [0.9999, 0.5, 0.01]) assert.deepEqual(kinds(voice(3, amplitude)), [], String(amplitude));
});

test('lengths outside of the limits are refused, with the limit', () => {
  assert.deepEqual(kinds(voice(0.5)), ['too_short']);
  assert.deepEqual(kinds(voice(31)), ['too_long']);
  assert.deepEqual(checkLength(45.04, LIMITS), [{ kind: 'too_long', isRefused: true, values: { seconds: '45.0', limit: 30 } }]);
  assert.deepEqual(kinds(new Float32Array(0)), ['too_short']);
});

test('an engine that uses less of the clip is named', () => {
  const engines = [{ name: 'f5', max_reference_s: 2 }, { name: 'fish', max_reference_s: null }, { name: 'long', max_reference_s: 20 }];
  const findings = checkEngines(3, engines);
  assert.deepEqual(findings, [{ kind: 'long_for_engine', isRefused: false, values: { seconds: '3.0', engine: 'f5', limit: 2 } }]);
});

test('silence, a whisper of hiss, and one click are silent', () => {
  const click = new Float32Array(2 * RATE_HZ);
  click[RATE_HZ] = 1;
  for (const samples of [new Float32Array(2 * RATE_HZ), noise(2, 0.0003), click]) assert.deepEqual(kinds(samples), ['silent']);
});

test('noise, a tone and hum are a steady sound', () => {
  const tone = (hertz) => Float32Array.from({ length: 2 * RATE_HZ }, (_, index) => 0.3 * Math.sin((2 * Math.PI * hertz * index) / RATE_HZ));
  for (const samples of [noise(3, 0.1), tone(440), sum(tone(50), tone(150))]) assert.deepEqual(kinds(samples), ['steady']);
});

test('a voice in noise is noisy from some level on', () => {
  assert.deepEqual(kinds(sum(voice(3), noise(3, 0.001))), []);
  assert.deepEqual(kinds(sum(voice(3), noise(3, 0.05))), ['noisy']);
  assert.deepEqual(kinds(sum(voice(1), noise(1, 0.05))), [], 'a short clip may have no pause');
});

test('a voice that is cut off at full scale is clipped', () => {
  const limit = (samples) => samples.map((sample) => Math.max(-1, Math.min(1, sample)));
  for (const amplitude of [1.1, 1.5, 4]) assert.deepEqual(kinds(limit(voice(3, amplitude))), ['clipped'], String(amplitude));
  assert.deepEqual(kinds(limit(voice(3, 1))), []);
});
