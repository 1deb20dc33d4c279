import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseLanguage, translator } from '../../../gateway/webui/static/lib/i18n.js';
import { readHash, writeHash } from '../../../gateway/webui/static/lib/location.js';
import { clock, delay } from '../../../gateway/webui/static/lib/numbers.js';
import { schemaFields } from '../../../gateway/webui/static/lib/schema_fields.js';
import {
  DEFAULTS, fieldAtFault, fromParams, speechRequest, textRequest, toParams,
} from '../../../gateway/webui/static/request/settings.js';

const SETTINGS = {
  text: 'a&b=c #1 ?\n"你好"', engine: 'f5', voice: 'Ann B.', language: 'zh-CN', format: 'mp3', speed: '1.5', seed: '7', ssml: 'false',
  normalize: false, options: { nfe: '7', note: 'x=y' },
};
const FIELDS = schemaFields({ properties: { nfe: { type: 'integer' }, note: { type: 'string' } } });

test('settings survive the way through the address', () => {
  const hash = writeHash('speak', toParams(SETTINGS));
  const { view, params } = readHash(hash);
  assert.equal(view, 'speak');
  assert.deepEqual(fromParams(params), SETTINGS);
});

test('defaults are not in the address', () => {
  assert.equal(writeHash('speak', toParams(DEFAULTS)), '#speak');
  assert.deepEqual(fromParams(readHash('').params), DEFAULTS);
});

test('a link with an unknown format falls back to the default', () => {
  assert.equal(fromParams(new URLSearchParams('format=exe')).format, 'wav');
});

test('options of a link do not change the defaults', () => {
  fromParams(new URLSearchParams('options.nfe=7'));
  assert.deepEqual(DEFAULTS.options, {});
});

test('a request has what differs from the defaults', () => {
  assert.deepEqual(speechRequest({ ...DEFAULTS, text: 'Hello.' }, FIELDS), { text: 'Hello.' });
  assert.deepEqual(speechRequest(SETTINGS, FIELDS), {
    text: SETTINGS.text, engine: 'f5', voice: 'Ann B.', language: 'zh-CN', ssml: false, normalize: false, speed: 1.5, seed: 7,
    options: { nfe: 7, note: 'x=y' },
  });
  assert.equal('speed' in textRequest(SETTINGS), false);
});

test('seed zero is sent', () => {
  assert.equal(speechRequest({ ...DEFAULTS, seed: '0' }, FIELDS).seed, 0);
});

test('an error belongs to the most specific field', () => {
  const names = ['text', 'options', 'options.nfe', 'options.nfe2'];
  assert.equal(fieldAtFault('options.nfe', names), 'options.nfe');
  assert.equal(fieldAtFault('options.other', names), 'options');
  assert.equal(fieldAtFault('text.0.text', names), 'text');
  assert.equal(fieldAtFault('textual', names), null);
  assert.equal(fieldAtFault(null, names), null);
});

test('the language is the first supported one that the browser prefers', () => {
  const cases = {
    'zh-CN': 'zh-Hans', 'zh': 'zh-Hans', 'zh-SG': 'zh-Hans', 'zh-TW': 'zh-Hant', 'zh-HK': 'zh-Hant', 'zh-Hant-CN': 'zh-Hant',
    'zh-Hans-TW': 'zh-Hans', 'en-GB': 'en', 'fr': 'en',
  };
  for (const [tag, language] of Object.entries(cases)) assert.equal(chooseLanguage([tag]), language, tag);
  assert.equal(chooseLanguage(['fr', 'zh-TW', 'en']), 'zh-Hant');
  assert.equal(chooseLanguage([]), 'en');
});

test('placeholders are filled, and unknown keys are visible', () => {
  const t = translator({ loading: 'Loading {name}: {share} %' });
  assert.equal(t('loading', { name: 'f5', share: 0 }), 'Loading f5: 0 %');
  assert.equal(t('missing'), 'missing');
});

test('times are readable', () => {
  assert.deepEqual([0, 1.25, 59.99, 60, 3605.3].map(clock), ['0:00.0', '0:01.2', '0:59.9', '1:00.0', '60:05.3']);
  assert.deepEqual([0.0123, 0.9, 1.5].map(delay), ['12 ms', '900 ms', '1.50 s']);
});
