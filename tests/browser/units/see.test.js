import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonLines } from '../../../gateway/webui/static/lib/ndjson.js';
import { codesImage, melImage, pixels } from '../../../gateway/webui/static/see/images.js';
import { phases, ticks } from '../../../gateway/webui/static/see/phases.js';
import { segmentAt, splitAt } from '../../../gateway/webui/static/see/segments.js';
import { Spectrum } from '../../../gateway/webui/static/see/spectrum.js';
import { Traces } from '../../../gateway/webui/static/see/traces.js';

const SEGMENTS = [
  { start: 0, end: 3, at_ms: 0 },
  { start: 3, end: 5, at_ms: 1000 },
];

const base64 = (values) => Buffer.from(values.buffer).toString('base64');

function codes(start, end, position, values, rows = 2) {
  const data = Uint16Array.from(values);
  return { kind: 'codes', start, end, position, rate: 4, rows, columns: data.length / rows, dtype: 'uint16', data: base64(data) };
}

function tracesOf(...events) {
  const traces = new Traces();
  events.forEach((event) => traces.add(event));
  return traces;
}

test('lines are read whatever the division into chunks', async () => {
  const bytes = new TextEncoder().encode('{"a":"你好"}\n{"a":2}\n');
  for (let size = 1; size <= bytes.length; size++) {
    const parts = [];
    for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size));
    const found = [];
    for await (const value of jsonLines(ReadableStream.from(parts))) found.push(value);
    assert.deepEqual(found, [{ a: '你好' }, { a: 2 }], `chunks of ${size} bytes`);
  }
});

test('the segment at a time is the last one that has begun', () => {
  assert.equal(segmentAt([], 1), null);
  assert.equal(segmentAt([{ start: 0, end: 1, at_ms: 500 }], 0.4), null);
  assert.equal(segmentAt(SEGMENTS, 0.999), SEGMENTS[0]);
  assert.equal(segmentAt(SEGMENTS, 1), SEGMENTS[1]);
  assert.equal(segmentAt(SEGMENTS, 99), SEGMENTS[1]);
});

test('a text is split by code points', () => {
  assert.deepEqual(splitAt('a😀bcd', { start: 1, end: 3, at_ms: 0 }), ['a', '😀b', 'cd']);
  assert.deepEqual(splitAt('abc', null), ['', '', 'abc']);
});

test('phases begin where their cause ends', () => {
  const found = phases({ queueS: 1, firstAudioS: 1.5, totalS: 3, durationS: 4 });
  assert.deepEqual(
    found.map(({ name, startS, endS }) => [name, startS, endS]),
    [['queue', 0, 1], ['first_audio', 1, 1.5], ['total', 1, 3], ['playback', 1.5, 5.5]],
  );
  const running = phases({ queueS: 1, firstAudioS: null, totalS: null, durationS: 0 });
  assert.ok(running.every(({ startS, endS }) => endS >= startS));
});

test('ticks are round and few', () => {
  assert.deepEqual(ticks(2.4, 8), [0, 0.5, 1, 1.5, 2]);
  assert.deepEqual(ticks(0, 8), [0]);
  for (const durationS of [0.05, 1, 7.9, 61, 300, 5000]) {
    const found = ticks(durationS, 8);
    assert.ok(found.length >= 1 && found.length <= 8 && found.at(-1) <= durationS, `${durationS}`);
  }
});

test('codes are placed at the time of their audio, one row per codebook', () => {
  const traces = tracesOf(codes(3, 5, 0, [7, 8]), codes(0, 3, 1, [100, 200, 40, 50]), codes(9, 9, 0, [1, 1]));
  assert.equal(traces.count, 3);
  const image = codesImage(traces.codes, SEGMENTS, 1.5); // 6 columns
  assert.deepEqual([image.width, image.height], [6, 2]);
  const scaled = (...row) => row.map((code) => Math.floor((255 * code) / 200));
  assert.deepEqual([...image.values], [...scaled(0, 100, 200, 0, 7, 0), ...scaled(0, 40, 50, 0, 8, 0)]);
  assert.equal(codesImage([], SEGMENTS, 1), null);
  assert.equal(codesImage(traces.codes, SEGMENTS, 0), null);
});

test('mels keep their order, and are drawn with low frequencies at the bottom', () => {
  const mel = (position, values) => ({
    kind: 'mel', start: 0, end: 3, position, rate: 2, rows: 2, columns: 2, dtype: 'uint8', data: base64(Uint8Array.from(values)),
  });
  const [{ parts }] = tracesOf(mel(1, [9, 9, 9, 9]), mel(4, [1, 2, 3, 4])).mels;
  assert.deepEqual(parts.map(({ position }) => position), [1, 4]);
  assert.deepEqual([...melImage(parts[1]).values], [3, 4, 1, 2]);
});

test('pixels are opaque, and brighter for larger values', () => {
  const colored = pixels({ width: 3, height: 1, values: Uint8Array.of(0, 128, 255) });
  const sums = [0, 1, 2].map((index) => colored[4 * index] + colored[4 * index + 1] + colored[4 * index + 2]);
  assert.ok(sums[0] < sums[1] && sums[1] < sums[2]);
  assert.deepEqual([colored[3], colored[7], colored[11]], [255, 255, 255]);
});

test('a tone is a line in the spectrogram, higher for a higher pitch, and the number of columns is bounded', () => {
  const loudest = (pitch, seconds) => {
    const spectrum = new Spectrum(16000);
    const samples = Int16Array.from({ length: 16000 * seconds }, (_, index) => 20000 * Math.sin((2 * Math.PI * pitch * index) / 16000));
    for (let at = 0; at < samples.length; at += 5000) spectrum.push(samples.subarray(at, at + 5000));
    const { width, height, values } = spectrum.image();
    assert.ok(width <= 1000);
    const column = Array.from({ length: height }, (_, row) => values[row * width + Math.floor(width / 2)]);
    return column.indexOf(Math.max(...column));
  };
  assert.ok(loudest(300, 1) > loudest(3000, 1));
  assert.equal(loudest(3000, 40), loudest(3000, 1));
  assert.deepEqual(new Spectrum(16000).image().width, 1);
});
