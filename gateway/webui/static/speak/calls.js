/** Programs that repeat a request, to copy. */

/** @typedef {Record<string, unknown>} Body */
/** @typedef {{base: string, body: Body, file: string, withKey: boolean}} Call */

/** @param {Call} call */
export function curlCall({ base, body, file, withKey }) {
  const key = withKey ? ` -H "Authorization: Bearer $VOXGATE_API_KEY"` : '';
  return `curl -f ${shellQuoted(`${base}tts`)}${key} -H 'Content-Type: application/json' \\
  -d ${shellQuoted(JSON.stringify(body))} -o ${file}`;
}

/** @param {Call} call */
export function httpxCall({ base, body, file, withKey }) {
  const key = withKey ? `, headers={"Authorization": f"Bearer {os.environ['VOXGATE_API_KEY']}"}` : '';
  return `${withKey ? 'import os\n' : ''}from pathlib import Path

import httpx

body = ${pythonLiteral(body)}
response = httpx.post("${base}tts", json=body${key}, timeout=300)
response.raise_for_status()
Path("${file}").write_bytes(response.content)`;
}

/** Fields that OpenAI's route has under the same name, and which its client sends as `extra_body`. */
const OPENAI_EXTENSIONS = ['seed', 'language', 'sample_rate', 'options'];
const OPENAI_NAMES = ['text', 'engine', 'voice', 'format', 'speed', ...OPENAI_EXTENSIONS];

/** @param {Call} call */
export function openaiCall({ base, body, file, withKey }) {
  const extra = Object.fromEntries(Object.entries(body).filter(([name]) => OPENAI_EXTENSIONS.includes(name)));
  const missing = Object.keys(body).filter((name) => !OPENAI_NAMES.includes(name));
  const lines = [
    `    model=${pythonLiteral(body.engine ?? 'default')},`,
    `    voice=${pythonLiteral(body.voice ?? 'alloy')},`,
    `    input=${pythonLiteral(body.text)},`,
    `    response_format=${pythonLiteral(body.format)},`,
    ...(body.speed === undefined ? [] : [`    speed=${pythonLiteral(body.speed)},`]),
    ...(Object.keys(extra).length ? [`    extra_body=${pythonLiteral(extra)},`] : []),
  ];
  const key = withKey ? 'os.environ["VOXGATE_API_KEY"]' : '"none"';
  return `${withKey ? 'import os\n\n' : ''}from openai import OpenAI

client = OpenAI(base_url="${base}v1", api_key=${key})
${missing.length ? `# OpenAI's API has no field for: ${missing.join(', ')}\n` : ''}speech = client.audio.speech.create(
${lines.join('\n')}
)
speech.write_to_file("${file}")`;
}

/** @param {Call} call */
export function javascriptCall({ base, body, withKey }) {
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
