/** Programs that repeat a request, to copy. */
import { formText } from '../lib/api.js';

/** @typedef {Record<string, unknown>} Body */
/**
 * @typedef {object} Call
 * @property {string} base address of the gateway
 * @property {Body} body
 * @property {string} [clipFile] the file of the field `reference_audio`; empty: none
 * @property {string} file the audio's file
 * @property {boolean} withKey
 */

/** @param {Call} call */
export function curlCall({ base, body, clipFile, file, withKey }) {
  const key = withKey ? ` -H "Authorization: Bearer $VOXGATE_API_KEY"` : '';
  if (clipFile) {
    const fields = Object.entries(body).map(([name, value]) => ` --form-string ${shellQuoted(`${name}=${formText(value)}`)}`);
    const clip = shellQuoted(`reference_audio=@"${clipFile.replaceAll(/[\\"]/g, '\\$&')}"`);
    return `curl -f ${shellQuoted(`${base}tts`)}${key} \\\n ${[...fields, ` -F ${clip}`].join(' \\\n ')} -o ${file}`;
  }
  return `curl -f ${shellQuoted(`${base}tts`)}${key} -H 'Content-Type: application/json' \\
  -d ${shellQuoted(JSON.stringify(body))} -o ${file}`;
}

/** @param {Call} call */
export function httpxCall({ base, body, clipFile, file, withKey }) {
  const key = withKey ? `, headers={"Authorization": f"Bearer {os.environ['VOXGATE_API_KEY']}"}` : '';
  return `${clipFile ? 'import base64\n' : ''}${withKey ? 'import os\n' : ''}from pathlib import Path

import httpx

body = ${pythonLiteral(body)}
${clipFile ? `body["reference_audio"] = ${pythonBase64(clipFile)}\n` : ''}response = httpx.post("${base}tts", json=body${key}, timeout=300)
response.raise_for_status()
Path("${file}").write_bytes(response.content)`;
}

/** Fields that OpenAI's route has under the same name, and which its client sends as `extra_body`. */
const OPENAI_EXTENSIONS = ['seed', 'language', 'sample_rate', 'options', 'reference_text'];
const OPENAI_NAMES = ['text', 'engine', 'voice', 'format', 'speed', ...OPENAI_EXTENSIONS];

/** @param {Call} call */
export function openaiCall({ base, body, clipFile, file, withKey }) {
  const extra = Object.fromEntries(Object.entries(body).filter(([name]) => OPENAI_EXTENSIONS.includes(name)));
  const missing = Object.keys(body).filter((name) => !OPENAI_NAMES.includes(name));
  const lines = [
    `    model=${pythonLiteral(body.engine ?? 'default')},`,
    `    voice=${pythonLiteral(body.voice ?? 'alloy')},`,
    `    input=${pythonLiteral(body.text)},`,
    `    response_format=${pythonLiteral(body.format)},`,
    ...(body.speed === undefined ? [] : [`    speed=${pythonLiteral(body.speed)},`]),
    ...(clipFile || Object.keys(extra).length ? [`    extra_body=${clipFile ? 'extra' : pythonLiteral(extra)},`] : []),
  ];
  const key = withKey ? 'os.environ["VOXGATE_API_KEY"]' : '"none"';
  const modules = [clipFile && 'import base64', withKey && 'import os', clipFile && 'from pathlib import Path'].filter(Boolean);
  const clip = clipFile ? `extra = ${pythonLiteral(extra)}\nextra["reference_audio"] = ${pythonBase64(clipFile)}\n` : '';
  return `${modules.length ? `${modules.join('\n')}\n\n` : ''}from openai import OpenAI

client = OpenAI(base_url="${base}v1", api_key=${key})
${missing.length ? `# OpenAI's API has no field for: ${missing.join(', ')}\n` : ''}${clip}speech = client.audio.speech.create(
${lines.join('\n')}
)
speech.write_to_file("${file}")`;
}

/** @param {Call} call */
export function javascriptCall({ base, body, clipFile, withKey }) {
  if (clipFile) {
    const headers = withKey ? "\n  headers: { 'Authorization': `Bearer ${key}` }," : '';
    const fields = Object.fromEntries(Object.entries(body).map(([name, value]) => [name, formText(value)]));
    return `const form = new FormData();
const fields = ${JSON.stringify(fields, null, 2)};
for (const [name, value] of Object.entries(fields)) form.append(name, value);
form.append('reference_audio', clip); // a File or Blob: ${JSON.stringify(clipFile)}
const response = await fetch(${JSON.stringify(`${base}tts`)}, {
  method: 'POST',${headers}
  body: form,
});
if (!response.ok) throw new Error(await response.text());
const audio = await response.blob();`;
  }
  const key = withKey ? "\n    'Authorization': `Bearer ${key}`," : '';
  return `const response = await fetch(${JSON.stringify(`${base}tts`)}, {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',${key}
  },
  body: JSON.stringify(${JSON.stringify(body, null, 2).replaceAll('\n', '\n  ')}),
});
if (!response.ok) throw new Error(await response.text());
const audio = await response.blob();`;
}

/** @param {string} file */
function pythonBase64(file) {
  return `base64.b64encode(Path(${pythonLiteral(file)}).read_bytes()).decode()`;
}

/** @param {string} text */
function shellQuoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * @param {unknown} value of JSON
 * @returns {string}
 */
export function pythonLiteral(value) {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(', ')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const items = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${pythonLiteral(item)}`);
  return `{${items.join(', ')}}`;
}
