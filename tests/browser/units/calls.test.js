import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { curlCall, javascriptCall, openaiCall, pythonLiteral } from '../../../gateway/webui/static/speak/calls.js';

const BODY = {
  text: `It's "fine" $HOME \`x\` \\n\n你好`, engine: 'tone', speed: 1.5, normalize: false, seed: 7, options: { noise: 0, speaker: null },
  format: 'mp3',
};
const CALL = { base: 'http://host:8000/', body: BODY, file: 'speech.mp3', withKey: false };

test('a shell passes the body to curl unchanged', () => {
  const script = `curl() { printf '%s\\0' "$@"; }\n${curlCall(CALL)}`;
  const words = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\0');
  assert.deepEqual(JSON.parse(words[words.indexOf('-d') + 1]), BODY);
});

test('Python reads a literal as the same value', () => {
  const program = 'import ast, json, sys; print(json.dumps(ast.literal_eval(sys.argv[1])))';
  const printed = execFileSync('python3', ['-c', program, pythonLiteral(BODY)], { encoding: 'utf8' });
  assert.deepEqual(JSON.parse(printed), BODY);
});

test('fields that the OpenAI route lacks are named', () => {
  const code = openaiCall(CALL);
  assert.match(code, /no field for: normalize\n/);
  assert.match(code, /extra_body=\{"seed": 7, "options": \{"noise": 0, "speaker": None\}\}/);
  assert.doesNotMatch(openaiCall({ ...CALL, body: { text: 'x', format: 'mp3' } }), /no field for|extra_body|speed/);
});

test('the JavaScript call has the body', () => {
  const body = new Function('fetch', `return (async () => { ${javascriptCall(CALL)}; })()`);
  let sent;
  body(async (_url, init) => ((sent = init.body), { ok: true, blob: async () => null }));
  assert.deepEqual(JSON.parse(sent), BODY);
});

test('a key is never in a call, only its variable', () => {
  assert.match(curlCall({ ...CALL, withKey: true }), /Bearer \$VOXGATE_API_KEY/);
  assert.doesNotMatch(curlCall(CALL), /VOXGATE_API_KEY/);
});
