import assert from 'node:assert/strict';
import { test } from 'node:test';
import { optionValues, schemaFields } from '../../../gateway/webui/static/lib/schema_fields.js';

const SCHEMA = {
  type: 'object',
  $defs: { Mode: { enum: ['fast', 'good'], description: 'how carefully' } },
  properties: {
    nfe: { type: 'integer', minimum: 1, maximum: 64, default: 16, description: 'evaluations' },
    share: { type: 'number', exclusiveMinimum: 0, maximum: 1 },
    seed: { anyOf: [{ type: 'integer', minimum: 0, description: 'a seed' }, { type: 'null' }], default: null },
    speaker: { type: 'string' },
    g2p: { type: 'boolean', default: false },
    mode: { $ref: '#/$defs/Mode', default: 'good' },
    size: { enum: [1, 2, null] },
    weights: { type: 'array', items: { type: 'number' }, default: [1, 2] },
    either: { anyOf: [{ type: 'integer' }, { type: 'string' }] },
  },
};
const FIELDS = schemaFields(SCHEMA);
const field = (name) => FIELDS.find((one) => one.name === name);

test('every property of a schema becomes a field', () => {
  assert.deepEqual(FIELDS.map(({ name, kind }) => [name, kind]), [
    ['nfe', 'number'], ['share', 'number'], ['seed', 'number'], ['speaker', 'text'], ['g2p', 'choice'], ['mode', 'choice'],
    ['size', 'choice'], ['weights', 'json'], ['either', 'json'],
  ]);
});

test('limits, defaults, descriptions and choices are taken from the schema', () => {
  assert.deepEqual([field('nfe').min, field('nfe').max, field('nfe').step, field('nfe').defaultText], [1, 64, 1, '16']);
  assert.deepEqual([field('share').min, field('share').step, field('share').defaultText], [0, 'any', '']);
  assert.equal(field('seed').description, 'a seed');
  assert.equal(field('seed').defaultText, '');
  assert.deepEqual(field('g2p').choices, ['true', 'false']);
  assert.equal(field('g2p').defaultText, 'false');
  assert.deepEqual(field('mode').choices, ['fast', 'good']);
  assert.equal(field('mode').description, 'how carefully');
  assert.deepEqual(field('size').choices, ['1', '2']);
  assert.equal(field('weights').defaultText, '[1,2]');
});

test('no schema and an empty one have no fields', () => {
  for (const schema of [null, undefined, {}, { type: 'object' }]) assert.deepEqual(schemaFields(schema), []);
});

test('typed texts become values of the right type, and empty ones are left out', () => {
  const texts = { nfe: '32', share: '', speaker: '5', g2p: 'true', mode: 'fast', size: '2', weights: '[3]' };
  assert.deepEqual(optionValues(FIELDS, texts), {
    nfe: 32, speaker: '5', g2p: true, mode: 'fast', size: 2, weights: [3],
  });
});

test('options are not dropped while the schema is unknown', () => {
  assert.deepEqual(optionValues([], { nfe: '7', mode: 'fast', share: '' }), { nfe: 7, mode: 'fast' });
});

test('invalid text is sent as it is', () => {
  assert.deepEqual(optionValues(FIELDS, { nfe: 'many', weights: '[3' }), { nfe: 'many', weights: '[3' });
});
