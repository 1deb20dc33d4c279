import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formOf } from '../../../gateway/webui/static/lib/api.js';
import { withReference } from '../../../gateway/webui/static/request/reference.js';
import { curlCall, httpxCall, javascriptCall, openaiCall } from '../../../gateway/webui/static/speak/calls.js';
import { sampleSentence } from '../../../gateway/webui/static/voices/sample_sentences.js';
import { readVoiceFile, voiceFile } from '../../../gateway/webui/static/voices/voice_file.js';

const FILE = new File(['RIFF'], 'my "clip".wav', { type: 'audio/wav' });

test('a body with a file becomes a form with the same values', () => {
  const form = formOf({ text: 'a', seed: 0, stream: true, options: { noise: 0.5 }, voice: undefined, audio: FILE });
  assert.deepEqual([...form.keys()], ['text', 'seed', 'stream', 'options', 'audio']);
  assert.deepEqual(['seed', 'stream', 'options'].map((name) => form.get(name)), ['0', 'true', '{"noise":0.5}']);
  assert.equal(form.get('audio').name, FILE.name);
});

test('a clip replaces the voice, and without a clip its transcript is not sent', () => {
  const clip = { file: FILE, durationS: 2, findings: [] };
  const body = { text: 'a', voice: 'ann' };
  assert.deepEqual(withReference(body, { clip, transcript: 'b' }), { text: 'a', reference_audio: FILE, reference_text: 'b' });
  assert.deepEqual(withReference(body, { clip, transcript: '' }), { text: 'a', reference_audio: FILE });
  assert.deepEqual(withReference(body, { clip: null, transcript: 'b' }), body);
});

test('programs with a clip read it from its file', () => {
  const call = { base: 'http://h/', body: { text: "It's", reference_text: 'b', normalize: false }, clipFile: FILE.name, file: 'speech.wav', withKey: false };
  assert.match(curlCall(call), /--form-string 'text=It'\\''s' /);
  assert.match(curlCall(call), / -F 'reference_audio=@"my \\"clip\\"\.wav"' /);
  for (const program of [httpxCall(call), openaiCall(call)]) assert.match(program, /Path\("my \\"clip\\"\.wav"\)\.read_bytes/);
  assert.match(javascriptCall(call), /form\.append\('reference_audio', clip\)/);
});

test('exported voices are read as they were', async () => {
  const voices = [
    { name: '小明', transcript: 'line\n"two"', language: 'zh', audio: 'data:audio/wav;base64,UklGRg==' },
    { name: 'Ann', transcript: '', audio: 'data:audio/wav;base64,AAAA' },
  ];
  assert.deepEqual(await readVoiceFile(voiceFile(voices)), voices);
  assert.deepEqual(await readVoiceFile(voiceFile([])), []);
});

test('other files are refused with the reason', async () => {
  const cases = {
    'RIFF': 'not_json', '[]': 'not_voices', 'null': 'not_voices', '{"format":"voxgate-voices","version":1}': 'not_voices',
    '{"format":"voxgate-voices","version":1,"voices":[{"name":"a"}]}': 'not_voices',
    '{"format":"voxgate-voices","version":2,"voices":[]}': 'newer',
  };
  for (const [content, reason] of Object.entries(cases)) {
    await assert.rejects(readVoiceFile(new Blob([content])), { reason }, content);
  }
  await assert.rejects(readVoiceFile({ size: 2 ** 30 }), { reason: 'too_large' });
});

test('a sentence is in the first language that has one, else in English', () => {
  assert.equal(sampleSentence(['zh-CN']), sampleSentence([undefined, '', 'xx', 'zh', 'en']));
  assert.notEqual(sampleSentence(['zh']), sampleSentence(['en']));
  assert.equal(sampleSentence(['xx']), sampleSentence(['en']));
});
