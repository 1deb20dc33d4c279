import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Peaks } from '../../../gateway/webui/static/audio/peaks.js';
import { PcmDecoder, toFloat, wavFile } from '../../../gateway/webui/static/audio/pcm.js';
import { SampleQueue } from '../../../gateway/webui/static/audio/sample_queue.js';

test('samples split between chunks are decoded as if the chunks were one', () => {
  const samples = Int16Array.from([0, 1, -1, 32767, -32768, 258, -257]);
  const bytes = new Uint8Array(samples.buffer);
  for (let size = 1; size <= bytes.length; size++) {
    const decoder = new PcmDecoder();
    const decoded = [];
    for (let at = 0; at < bytes.length; at += size) decoded.push(...decoder.decode(bytes.subarray(at, at + size)));
    assert.deepEqual(decoded, [...samples], `chunks of ${size} bytes`);
  }
});

test('an empty chunk between the halves of a sample changes nothing', () => {
  const decoder = new PcmDecoder();
  assert.deepEqual([...decoder.decode(Uint8Array.of(2))], []);
  assert.deepEqual([...decoder.decode(new Uint8Array())], []);
  assert.deepEqual([...decoder.decode(Uint8Array.of(1))], [258]);
});

test('floats are within one', () => {
  assert.deepEqual([...toFloat(Int16Array.of(-32768, 0, 16384))], [-1, 0, 0.5]);
});

test('a WAV file has a correct header', async () => {
  const view = new DataView(await wavFile([Int16Array.of(1, 2), Int16Array.of(3)], 24000).arrayBuffer());
  const tag = (at) => String.fromCharCode(...new Uint8Array(view.buffer, at, 4));
  assert.deepEqual([tag(0), tag(8), tag(12), tag(36)], ['RIFF', 'WAVE', 'fmt ', 'data']);
  assert.equal(view.getUint32(4, true), view.byteLength - 8);
  assert.equal(view.getUint32(24, true), 24000);
  assert.equal(view.getUint32(40, true), 6);
  assert.equal(view.getInt16(48, true), 3);
});

test('queued samples are read in order, with silence after the last', () => {
  const queue = new SampleQueue();
  queue.push(Float32Array.of(1, 2, 3));
  queue.push(new Float32Array());
  queue.push(Float32Array.of(4, 5));
  const output = new Float32Array(4);
  queue.read(output);
  assert.deepEqual([...output], [1, 2, 3, 4]);
  assert.equal(queue.isEmpty, false);
  queue.read(output);
  assert.deepEqual([...output], [5, 0, 0, 0]);
  assert.equal(queue.isEmpty, true);
  assert.equal(queue.played, 5);
});

test('peaks keep the largest magnitude of each bin and column', () => {
  const peaks = new Peaks(2);
  peaks.push(Float32Array.of(0.25, -0.5, 0.125));
  peaks.push(Float32Array.of(0.75));
  assert.deepEqual(peaks.bins, [0.5, 0.75]);
  assert.deepEqual(peaks.columns(1), [0.75]);
  assert.deepEqual(peaks.columns(4), [0.5, 0.5, 0.75, 0.75]);
  assert.deepEqual(new Peaks(2).columns(4), []);
});
