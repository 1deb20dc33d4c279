import assert from 'node:assert/strict';
import { test } from 'node:test';
import { positionAt, shareAt } from '../../../gateway/webui/static/compare/alignment.js';
import { equalGains, measureSpeech } from '../../../gateway/webui/static/compare/measure.js';
import {
  comparisonFromParams, comparisonToParams, variantKey, variantLabel,
} from '../../../gateway/webui/static/compare/settings.js';
import { signTest, Tally, trialsOf } from '../../../gateway/webui/static/compare/tally.js';
import { drawTrial, outcomeOf } from '../../../gateway/webui/static/compare/trial.js';
import { DEFAULTS } from '../../../gateway/webui/static/request/settings.js';

const RATE = 1000;

/** Silence, then speech of an amplitude with a pause in it, then silence, in seconds. */
function take(amplitude, before, speech, after) {
  const samples = new Float32Array((before + speech + after) * RATE);
  for (let index = 0; index < speech * RATE; index++) {
    const isPause = Math.floor(index / 100) === 5;
    if (!isPause) samples[before * RATE + index] = index % 2 ? amplitude : -amplitude;
  }
  return samples;
}

const close = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-6, `${actual} is not ${expected}`);

test('speech is measured without the silence around and in it', () => {
  const { startS, endS, rms } = measureSpeech(take(0.5, 1, 2, 0.5), RATE);
  close(startS, 1);
  close(endS, 3);
  close(rms, 0.5);
});

test('silence and an empty signal have no loudness', () => {
  assert.deepEqual(measureSpeech(new Float32Array(RATE), RATE), { startS: 0, endS: 1, rms: 0 });
  assert.deepEqual(measureSpeech(new Float32Array(0), RATE), { startS: 0, endS: 0, rms: 0 });
});

test('gains make signals as loud as the quietest and never amplify', () => {
  assert.deepEqual(equalGains([0.2, 0.1, 0, 0.4]), [0.5, 1, 1, 0.25]);
  assert.deepEqual(equalGains([]), []);
});

test('a position is carried over in proportion of the speech', () => {
  const slow = { startS: 1, endS: 5 };
  const fast = { startS: 0.5, endS: 2.5 };
  assert.equal(shareAt(3, slow), 0.5);
  assert.equal(positionAt(shareAt(3, slow), fast, 3), 1.5);
  assert.equal(positionAt(shareAt(0, slow), fast, 3), 0);
  assert.equal(positionAt(2, fast, 3), 3);
  assert.equal(shareAt(1, { startS: 0, endS: 0 }), 0);
});

test('a comparison survives the way through the address', () => {
  const variant = { ...DEFAULTS, options: {} };
  const comparison = {
    text: 'a&b', isParallel: true, isEqualized: false, isBlind: true,
    variants: [{ ...variant, engine: 'tone', options: { noise: '0.5' } }, { ...variant, voice: '2.x' }, variant],
  };
  assert.deepEqual(comparisonFromParams(new URLSearchParams(comparisonToParams(comparison).toString())), comparison);
});

test('a comparison has two to four settings, without texts of their own', () => {
  const count = (link) => comparisonFromParams(new URLSearchParams(link)).variants.length;
  assert.deepEqual(['', 'settings=1', 'settings=3', 'settings=99', 'settings=x'].map(count), [2, 2, 3, 4, 2]);
  const { text, variants, isEqualized } = comparisonFromParams(new URLSearchParams('1.text=x'));
  assert.deepEqual([text, variants[0].text, isEqualized], ['', '', true]);
  assert.equal(comparisonToParams(comparisonFromParams(new URLSearchParams())).toString(), '');
});

test('equal settings have equal keys, and a label of what differs from the defaults', () => {
  const variant = { ...DEFAULTS, engine: 'tone', speed: '1.5', options: { noise: '0.5', empty: '' } };
  assert.equal(variantKey({ ...variant, text: 'x' }), variantKey({ ...variant, options: { noise: '0.5' } }));
  assert.notEqual(variantKey(variant), variantKey({ ...variant, speed: '1' }));
  assert.equal(variantLabel(variant, 'tone', 'low'), 'tone · low · speed 1.5 · noise 0.5');
});

function storage() {
  const items = new Map();
  return {
    getItem: (name) => items.get(name) ?? null, setItem: (name, value) => items.set(name, value),
    removeItem: (name) => items.delete(name),
  };
}

test('a tally counts each pair of settings, across reloads, until it is reset', () => {
  const kept = storage();
  new Tally(kept).record('x', 'y', 'first');
  new Tally(kept).record('x', 'y', 'first');
  new Tally(kept).record('x', 'z', 'none');
  const tally = new Tally(kept);
  assert.deepEqual(tally.counts('x', 'y'), { first: 2, second: 0, none: 0 });
  assert.deepEqual([trialsOf(tally.counts('x', 'z')), trialsOf(tally.counts('y', 'z'))], [1, 0]);
  tally.reset();
  assert.equal(trialsOf(tally.counts('x', 'y')), 0);
});

test('the p value is that of a two-sided sign test', () => {
  // scipy.stats.binomtest(first, first + second).pvalue
  const cases = [[0, 0, 1], [1, 0, 1], [3, 3, 1], [5, 0, 0.0625], [0, 6, 0.03125], [9, 1, 0.021484375], [10, 4, 0.179565429], [1200, 1000, 0.0000219]];
  for (const [first, second, p] of cases) {
    assert.ok(Math.abs(signTest(first, second) / p - 1) < 0.01, `${first}:${second} gave ${signTest(first, second)}`);
  }
});

test('a trial is one of the pairs with the fewest trials, in either order', () => {
  const trials = (first, second) => (first === 0 && second === 2 ? 0 : 3);
  assert.deepEqual(drawTrial([0, 1, 2], trials, () => 0), [0, 2]);
  assert.deepEqual(drawTrial([0, 1, 2], trials, () => 0.9), [2, 0]);
  const drawn = new Set(Array.from({ length: 200 }, () => drawTrial([0, 2, 3], () => 0).join('')));
  assert.deepEqual([...drawn].sort(), ['02', '03', '20', '23', '30', '32']);
});

test('a choice counts for the setting, whichever letter it had', () => {
  assert.deepEqual(['a', 'b', 'none'].map((choice) => outcomeOf([0, 1], choice)), ['first', 'second', 'none']);
  assert.deepEqual(['a', 'b', 'none'].map((choice) => outcomeOf([1, 0], choice)), ['second', 'first', 'none']);
});
