import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  EMPTY, failed, interrupted, positionAt, spansOf, withMessage, withText,
} from '../../../gateway/webui/static/converse/transcript.js';

/** Two segments of 10 and 20 characters, the first with 1 s of audio, and 5 characters that wait for more text. */
const MESSAGES = [
  { type: 'segment', index: 0, start: 0, end: 10, at_ms: 0 },
  { type: 'segment_done', index: 0, start: 0, end: 10, duration_ms: 1000 },
  { type: 'segment', index: 1, start: 10, end: 30, at_ms: 1000 },
];
const transcript = (messages = MESSAGES, text = 'x'.repeat(35)) => messages.reduce(withMessage, withText(EMPTY, text));
const brief = (/** @type {any} */ spans) => spans.map(({ start, end, state }) => [start, end, state]);

test('text waits until its audio is played', () => {
  assert.deepEqual(brief(spansOf(withText(withText(EMPTY, 'a👍'), '你'), 0)), [[0, 3, 'waiting']]);
  assert.deepEqual(brief(spansOf(transcript(), 0)), [[0, 35, 'waiting']]);
});

test('the segment at the play head is being spoken', () => {
  assert.deepEqual(brief(spansOf(transcript(), 400)), [[0, 10, 'speaking'], [10, 35, 'waiting']]);
  assert.deepEqual(brief(spansOf(transcript(), 1500)), [[0, 10, 'spoken'], [10, 30, 'speaking'], [30, 35, 'waiting']]);
});

test('a segment is spoken when its last sample is played, despite rounding', () => {
  assert.deepEqual(brief(spansOf(transcript(MESSAGES.slice(0, 2)), 999.98)), [[0, 10, 'spoken'], [10, 35, 'waiting']]);
});

test('text that a flush covers but no segment speaks is not waiting', () => {
  const flushed = transcript([...MESSAGES.slice(0, 2), { type: 'flushed', position: 35 }]);
  assert.deepEqual(brief(spansOf(flushed, 1000)), [[0, 35, 'spoken']]);
  assert.deepEqual(brief(spansOf(transcript([{ type: 'flushed', position: 35 }]), 0)), [[0, 35, 'spoken']]);
});

test('a refused segment keeps its error through an interruption', () => {
  const refused = transcript([{ type: 'segment_refused', start: 5, end: 10, error: { message: 'no' } }, { ...MESSAGES[2], at_ms: 0 }]);
  assert.deepEqual(spansOf(refused, 1)[1], { start: 5, end: 10, state: 'refused', error: 'no' });
  const after = interrupted(refused, 20, 35);
  const expected = [[0, 5, 'spoken'], [5, 10, 'refused'], [10, 20, 'spoken'], [20, 35, 'dropped']];
  assert.deepEqual(brief(spansOf(after, 0)), expected);
});

test('after an interruption the next turn begins, in which times begin again', () => {
  const after = withText(transcript([...MESSAGES, { type: 'interrupted', position: 17, text: '', next: 35 }]), 'yyyyy');
  const expected = [[0, 17, 'spoken'], [17, 35, 'dropped'], [35, 40, 'waiting']];
  assert.deepEqual(brief(spansOf(after, 0)), expected);
  const spoken = withMessage(after, { type: 'segment', start: 35, end: 40, at_ms: 0 });
  assert.deepEqual(brief(spansOf(spoken, 10)), [...expected.slice(0, 2), [35, 40, 'speaking']]);
});

test('a failed session still plays what was received, and drops the rest', () => {
  const broken = failed(transcript(), 20, 1500);
  assert.deepEqual(brief(spansOf(broken, 1200)), [[0, 10, 'spoken'], [10, 20, 'speaking'], [20, 35, 'dropped']]);
  assert.deepEqual(brief(spansOf(broken, 1500)), [[0, 20, 'spoken'], [20, 35, 'dropped']]);
});

test('a session that fails without a position has spoken its complete segments', () => {
  assert.deepEqual(brief(spansOf(failed(transcript(), null, 1500), 1500)), [[0, 10, 'spoken'], [10, 35, 'dropped']]);
  assert.deepEqual(brief(spansOf(failed(transcript([]), null, 0), 0)), [[0, 35, 'dropped']]);
});

test('the position of the play head is proportional within a segment', () => {
  const done = withMessage(transcript(), { type: 'segment_done', start: 10, end: 30, duration_ms: 2000 });
  assert.deepEqual([0, 500, 1000, 2000, 9000].map((playedMs) => positionAt(done, playedMs)), [0, 5, 10, 20, 30]);
});
