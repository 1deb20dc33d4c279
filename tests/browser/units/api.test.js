import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Api, ApiError } from '../../../gateway/webui/static/lib/api.js';

const BASE = new URL('https://host.example/speech/');

function storage() {
  const items = new Map();
  return { getItem: (name) => items.get(name) ?? null, setItem: (name, value) => items.set(name, value) };
}

/** A server that accepts one key and records the requests. */
function server(key) {
  const requests = [];
  const send = async (url, init) => {
    const given = init.headers.get('authorization');
    requests.push([url.href, given]);
    const error = { error: { type: 'unauthorized', message: 'invalid API key', param: null, request_id: '1' } };
    return given === `Bearer ${key}` ? new Response('{}') : Response.json(error, { status: 401 });
  };
  return { requests, send };
}

test('addresses are below the prefix of the page', async () => {
  const requests = [];
  const api = new Api(BASE, async () => null, storage(), async (url) => (requests.push(url.href), Response.json({ a: 1 })));
  assert.deepEqual(await api.get('v1/engines'), { a: 1 });
  assert.deepEqual(requests, ['https://host.example/speech/v1/engines']);
});

test('requests that are refused together ask for a key once', async () => {
  const { requests, send } = server('right');
  let asked = 0;
  const api = new Api(BASE, async () => (asked++, 'right'), storage(), send);
  await Promise.all([api.get('a'), api.get('b'), api.get('c')]);
  assert.equal(asked, 1);
  assert.equal(requests.length, 6);
  await api.get('d');
  assert.equal(asked, 1);
});

test('a refused key is asked for again and named as refused', async () => {
  const refused = [];
  const answers = ['wrong', 'right'];
  const api = new Api(BASE, async (was) => (refused.push(was), answers.shift()), storage(), server('right').send);
  await api.get('a');
  assert.deepEqual(refused, [false, true]);
});

test('after the user declines, requests fail without another question until a key is entered', async () => {
  let asked = 0;
  let answer = null;
  const api = new Api(BASE, async () => (asked++, answer), storage(), server('right').send);
  await assert.rejects(api.get('a'), (error) => error instanceof ApiError && error.status === 401);
  await assert.rejects(api.get('b'));
  assert.equal(asked, 1);
  api.askAgain();
  await assert.rejects(api.get('b'));
  assert.equal(asked, 2);
  answer = 'right';
  assert.equal(await api.enterKey(), 'right');
  await api.get('c');
});

test('errors have the words of the API', async () => {
  const body = { error: { type: 'invalid_request', message: 'speed: too fast', param: 'speed', request_id: 'r' } };
  const api = new Api(BASE, async () => null, storage(), async () => Response.json(body, { status: 422 }));
  await assert.rejects(api.post('tts', {}), { message: 'speed: too fast', param: 'speed', type: 'invalid_request', status: 422, requestId: 'r' });
});

test('an error of a proxy without JSON has its status', async () => {
  const api = new Api(BASE, async () => null, storage(), async () => new Response('<html>', { status: 502 }));
  await assert.rejects(api.get('a'), { message: 'HTTP 502', param: null });
});
