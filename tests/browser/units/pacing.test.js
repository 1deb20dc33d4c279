import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyProtocols, liveAddress } from '../../../gateway/webui/static/converse/live_socket.js';
import { divide, Pacer, splitTyped, UNITS } from '../../../gateway/webui/static/converse/pacing.js';
import { liveFromParams, liveToParams, piecesPerS } from '../../../gateway/webui/static/converse/settings.js';

const TEXT = 'Internationalization isn’t 3.14…\n\t  “你好，世界。” 👩‍👩‍👧 ｶﾀｶﾅ Naïve\ud800 end';

test('pieces make up the text in every unit', () => {
  for (const unit of UNITS) {
    assert.equal(divide(TEXT, unit).join(''), TEXT, unit);
    assert.deepEqual(divide('', unit), []);
  }
});

test('a character is a code point', () => {
  assert.deepEqual(divide('a👍\n', 'characters'), ['a', '👍', '\n']);
});

test('a token is a short word with its space, a part of a long word, a sign or a Chinese character', () => {
  assert.deepEqual(divide('The internationalization, 你好', 'tokens'), ['The', ' intern', 'ationa', 'lizati', 'on', ',', ' ', '你', '好']);
});

test('pieces become due at the rate, whatever the ticks', () => {
  const pacer = new Pacer(divide('abcdefghij', 'characters'));
  assert.equal(pacer.advance(0.25, 10), 'ab');
  assert.equal(pacer.advance(0.04, 10), '');
  assert.equal(pacer.advance(0.02, 10), 'c');
  assert.equal(pacer.isDone, false);
  assert.equal(pacer.advance(0.1, 20), 'de');
  assert.equal(pacer.advance(60, 20), 'fghij');
  assert.deepEqual([pacer.isDone, pacer.sent, pacer.total], [true, 10, 10]);
});

test('after a pause of the page at most a second is made up for', () => {
  assert.equal(new Pacer(divide('abcdefghij', 'characters')).advance(60, 3), 'abc');
});

test('words that are complete are sent, the word being typed is kept', () => {
  const cases = {
    '': ['', ''], 'hel': ['', 'hel'], 'hello ': ['hello ', ''], 'hello wor': ['hello ', 'wor'], 'a b\nc': ['a b\n', 'c'],
    '你好': ['你好', ''], '你好，wor': ['你好，', 'wor'], 'hello.': ['', 'hello.'],
  };
  for (const [typed, parts] of Object.entries(cases)) assert.deepEqual(splitTyped(typed), parts, typed);
});

test('the socket is below the prefix of the page, encrypted if the page is', () => {
  assert.equal(liveAddress(new URL('https://host.example/speech/')), 'wss://host.example/speech/tts/stream');
  assert.equal(liveAddress(new URL('http://127.0.0.1:8000/')), 'ws://127.0.0.1:8000/tts/stream');
});

test('a key is offered as a subprotocol of allowed characters', () => {
  assert.deepEqual(keyProtocols(null), []);
  assert.deepEqual(keyProtocols('vox_a-Z9'), ['voxgate', 'voxgate.key.vox_a-Z9']);
  const [, encoded] = keyProtocols('(a) "b", c/d=%');
  assert.match(encoded, /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/); // a token of RFC 9110
  assert.equal(decodeURIComponent(encoded.slice('voxgate.key.'.length)), '(a) "b", c/d=%');
});

test('a link restores how text is sent', () => {
  const params = new URLSearchParams('text=hi&engine=tone&mode=paste&rate=50&unit=characters');
  assert.deepEqual(Object.fromEntries(liveToParams(liveFromParams(params))), Object.fromEntries(params));
  const preset = liveFromParams(new URLSearchParams('mode=x&unit=y'));
  assert.deepEqual([preset.mode, preset.unit, liveToParams(preset).toString()], ['type', 'tokens', '']);
});

test('a rate is positive and bounded', () => {
  assert.deepEqual(['5', '0', '-1', '', 'x', '1e9'].map(piecesPerS), [5, 20, 20, 20, 20, 1000]);
});
