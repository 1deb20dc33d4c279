/** The three stages as requests to the API. */
import { pcmFromHalf } from '../audio/half.js';
import { ApiError } from '../lib/api.js';
import { fromRows, readNpy, toRows, writeNpy } from '../lib/npy.js';

/**
 * @typedef {object} Codes
 * @property {import('../lib/npy.js').Codes} codes
 * @property {Blob} file .npy
 * @property {string} seed that was used; empty: none
 */

/** @typedef {{samples: Int16Array<ArrayBuffer>, rateHz: number}} Audio */

/**
 * @param {import('../lib/api.js').Api} api
 * @param {string} engine
 * @param {Blob} recording
 * @param {AbortSignal} signal
 * @returns {Promise<Codes>}
 */
export async function encode(api, engine, recording, signal) {
  const audio = base64(new Uint8Array(await recording.arrayBuffer()));
  const { body } = await codec(api, engine, 'encode', { audios: [audio] }, signal);
  const codes = fromRows(body.tokens[0]);
  return { codes, file: new Blob([writeNpy(codes)]), seed: '' };
}

/**
 * @param {import('../lib/api.js').Api} api
 * @param {Record<string, unknown>} body of `/v1/codes`
 * @param {import('../lib/npy.js').Codes | null} voice codes of the voice to imitate
 * @param {AbortSignal} signal
 * @returns {Promise<Codes>}
 */
export async function generate(api, body, voice, signal) {
  const options = { ...Object(body.options), ...(voice && { prompt_tokens: base64(writeNpy(voice)) }) };
  const response = await api.post('v1/codes', { ...body, options }, signal);
  const data = await response.arrayBuffer();
  return { codes: readNpy(data), file: new Blob([data]), seed: response.headers.get('x-voxgate-seed') ?? '' };
}

/**
 * @param {import('../lib/api.js').Api} api
 * @param {string} engine
 * @param {import('../lib/npy.js').Codes} codes
 * @param {AbortSignal} signal
 * @returns {Promise<Audio>}
 */
export async function decode(api, engine, codes, signal) {
  const { body, headers } = await codec(api, engine, 'decode', { tokens: [toRows(codes)] }, signal);
  const bytes = Uint8Array.from(atob(body.audios[0]), (letter) => letter.charCodeAt(0));
  return { samples: pcmFromHalf(bytes), rateHz: Number(headers.get('x-voxgate-sample-rate')) };
}

/**
 * The message of an error that is about a field, which the codec's routes name in the message.
 * @param {Error | null} error
 * @param {'audios' | 'tokens'} field
 */
export function codecError(error, field) {
  return error instanceof ApiError && error.message.startsWith(field) ? error.message : null;
}

/**
 * @param {import('../lib/api.js').Api} api
 * @param {string} engine
 * @param {'encode' | 'decode'} route
 * @param {unknown} body
 * @param {AbortSignal} signal
 */
async function codec(api, engine, route, body, signal) {
  const headers = { 'Content-Type': 'application/json', 'Accept': 'application/json', 'model': engine };
  const response = await api.fetch(`v1/vqgan/${route}`, { method: 'POST', headers, body: JSON.stringify(body), signal });
  return { body: await response.json(), headers: response.headers };
}

/** @param {Uint8Array} bytes */
function base64(bytes) {
  let text = '';
  // In parts, because a call may not have millions of arguments.
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
