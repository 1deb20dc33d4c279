import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHARTS } from '../../../gateway/webui/static/operate/charts.js';
import { emptyHistory, extended, MAX_POINTS } from '../../../gateway/webui/static/operate/history.js';
import { parseMetrics } from '../../../gateway/webui/static/operate/prometheus.js';
import { increase, quantile, rate, sumBy } from '../../../gateway/webui/static/operate/rates.js';

const scrape = (timeS, text) => ({ timeS, samples: parseMetrics(text) });

test('samples have name, labels and value', () => {
  const text = `# HELP a_total "{x}" 1
# TYPE a_total counter
a_total{engine="fish",outcome="ok"} 3.0
a_total{engine="a\\"b\\\\c\\nd,e={}"} 1e3 1700000000000
plain 0.5
h_bucket{le="+Inf"} 7
n NaN

not a sample!
`;
  assert.deepEqual(parseMetrics(text), [
    { name: 'a_total', labels: { engine: 'fish', outcome: 'ok' }, value: 3 },
    { name: 'a_total', labels: { engine: 'a"b\\c\nd,e={}' }, value: 1000 },
    { name: 'plain', labels: {}, value: 0.5 },
    { name: 'h_bucket', labels: { le: '+Inf' }, value: 7 },
    { name: 'n', labels: {}, value: NaN },
  ]);
});

test('values are summed by a label', () => {
  const { samples } = scrape(0, 'a{x="1",y="1"} 1\na{x="1",y="2"} 2\na{x="2",y="1"} 4\nb{x="1"} 8');
  assert.deepEqual(sumBy(samples, 'a', 'x'), { 1: 3, 2: 4 });
});

test('a counter grows from nothing, and all of it is new after a restart', () => {
  const before = scrape(10, 'a{x="same"} 5\na{x="up"} 5\na{x="reset"} 5');
  const now = scrape(14, 'a{x="same"} 5\na{x="up"} 9\na{x="reset"} 2\na{x="new"} 4');
  assert.deepEqual(increase(before, now, 'a', 'x'), { same: 0, up: 4, reset: 2, new: 4 });
  assert.deepEqual(rate(before, now, 'a', 'x'), { same: 0, up: 1, reset: 0.5, new: 1 });
  assert.deepEqual(rate(before, now, 'a', 'x', ({ x }) => x === 'up'), { up: 1 });
});

test('a quantile is interpolated in the bucket of what was observed between two scrapes', () => {
  const buckets = (counts) => counts.map(([le, count]) => `h_bucket{engine="a",le="${le}"} ${count}`).join('\n');
  const before = scrape(0, buckets([['0.1', 100], ['0.5', 100], ['1.0', 100], ['+Inf', 100]]));
  const now = scrape(1, buckets([['0.1', 100], ['0.5', 104], ['1.0', 108], ['+Inf', 110]]));
  assert.equal(quantile(before, now, 'h', 0.2), 0.1 + 0.4 * (2 / 4));
  assert.equal(quantile(before, now, 'h', 0.5), 0.5 + 0.5 * (1 / 4));
  assert.equal(quantile(before, now, 'h', 0.95), 1, 'the last bound, beyond which nothing is known');
  assert.equal(quantile(now, now, 'h', 0.5), null);
  assert.equal(quantile(before, now, 'other', 0.5), null);
});

test('a quantile is over all engines', () => {
  const before = scrape(0, '');
  const now = scrape(1, 'h_bucket{engine="a",le="1.0"} 1\nh_bucket{engine="b",le="1.0"} 0\nh_bucket{engine="a",le="2.0"} 1\nh_bucket{engine="b",le="2.0"} 3\nh_bucket{engine="a",le="+Inf"} 1\nh_bucket{engine="b",le="+Inf"} 3');
  assert.equal(quantile(before, now, 'h', 0.25), 1);
  assert.equal(quantile(before, now, 'h', 1), 2);
});

test('a new line has no values before, and a history is bounded', () => {
  const one = extended(emptyHistory(), 1, { a: 1 });
  const two = extended(one, 2, { b: 2 });
  assert.deepEqual(two, { times: [1, 2], lines: { a: [1, null], b: [null, 2] } });
  let many = emptyHistory();
  for (let timeS = 0; timeS < MAX_POINTS + 5; timeS++) many = extended(many, timeS, { a: timeS });
  assert.equal(many.times.length, MAX_POINTS);
  assert.equal(many.lines.a.length, MAX_POINTS);
  assert.equal(many.times[0], 5);
});

test('requests of the page itself are not charted', () => {
  const metric = (route, count) => `voxgate_http_responses_total{route="${route}",status="200"} ${count}`;
  const before = scrape(0, `${metric('/metrics', 1)}\n${metric('/tts', 1)}`);
  const now = scrape(2, `${metric('/metrics', 9)}\n${metric('/tts', 5)}`);
  assert.deepEqual(CHARTS.find(({ id }) => id === 'requests').read(before, now), { 200: 2 });
});
