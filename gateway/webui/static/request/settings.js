/** What the Speak view is set to: as a link and as a request. */
import { optionValues } from '../lib/schema_fields.js';

/**
 * @typedef {object} Settings
 * @property {string} text
 * @property {string} engine empty: the default engine
 * @property {string} voice empty: the engine's first
 * @property {string} language empty: not set
 * @property {string} format of downloads
 * @property {string} speed
 * @property {string} seed empty: random
 * @property {string} ssml `auto`, `true` or `false`
 * @property {boolean} normalize
 * @property {Record<string, string>} options as typed, by name
 */

/** Formats of the API, each with its file name extension.
 * @type {Record<string, string>}
 */
export const FORMATS = {
  wav: 'wav', mp3: 'mp3', flac: 'flac', opus: 'opus', aac: 'aac', pcm: 'pcm', m4a: 'm4a', webm: 'webm', mulaw: 'ulaw', alaw: 'alaw',
  mulaw_wav: 'wav', alaw_wav: 'wav',
};

/** @type {Settings} */
export const DEFAULTS = {
  text: '', engine: '', voice: '', language: '', format: 'wav', speed: '1', seed: '', ssml: 'auto', normalize: true, options: {},
};

const OPTION = 'options.';
const TEXTS = /** @type {const} */ (['text', 'engine', 'voice', 'language', 'format', 'speed', 'seed', 'ssml']);

/**
 * @param {URLSearchParams} params
 * @returns {Settings}
 */
export function fromParams(params) {
  const settings = { ...DEFAULTS, options: /** @type {Record<string, string>} */ ({}) };
  for (const name of TEXTS) settings[name] = params.get(name) ?? DEFAULTS[name];
  if (!(settings.format in FORMATS)) settings.format = DEFAULTS.format;
  settings.normalize = params.get('normalize') !== 'false';
  for (const [name, value] of params) {
    if (name.startsWith(OPTION)) settings.options[name.slice(OPTION.length)] = value;
  }
  return settings;
}

/**
 * The settings that differ from the defaults.
 * @param {Settings} settings
 */
export function toParams(settings) {
  const params = new URLSearchParams();
  for (const name of TEXTS) if (settings[name] !== DEFAULTS[name]) params.set(name, settings[name]);
  if (!settings.normalize) params.set('normalize', 'false');
  for (const [name, value] of Object.entries(settings.options)) if (value !== '') params.set(OPTION + name, value);
  return params;
}

/**
 * The body of `POST /v1/text`.
 * @param {Settings} settings
 */
export function textRequest(settings) {
  return {
    text: settings.text,
    ...(settings.engine && { engine: settings.engine }),
    ...(settings.voice && { voice: settings.voice }),
    ...(settings.language && { language: settings.language }),
    ...(settings.ssml !== 'auto' && { ssml: settings.ssml === 'true' }),
    ...(!settings.normalize && { normalize: false }),
  };
}

/**
 * The body of `POST /tts`, without the format. Invalid numbers are sent as text, so that the API explains the error.
 * @param {Settings} settings
 * @param {import('../lib/schema_fields.js').SchemaField[]} fields of the engine's options
 * @returns {Record<string, unknown>}
 */
export function speechRequest(settings, fields) {
  const options = optionValues(fields, settings.options);
  return {
    ...textRequest(settings),
    ...(settings.speed !== '' && settings.speed !== '1' && { speed: number(settings.speed) }),
    ...(settings.seed !== '' && { seed: number(settings.seed) }),
    ...(Object.keys(options).length && { options }),
  };
}

/** @param {string} text */
function number(text) {
  const value = Number(text);
  return Number.isNaN(value) ? text : value;
}

/**
 * The field of the form that an error is about: the longest name that begins `param`.
 * @param {string | null} param such as `options.noise` or `text.0.text`
 * @param {string[]} names
 */
export function fieldAtFault(param, names) {
  const starting = names.filter((name) => param === name || param?.startsWith(`${name}.`));
  return starting.sort((a, b) => b.length - a.length)[0] ?? null;
}
