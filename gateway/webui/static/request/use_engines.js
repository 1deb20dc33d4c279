/** The configured engines and voices, refreshed while an engine loads. */
import { useApp } from '../lib/context.js';
import { useCallback, useEffect, useState } from '../lib/dom.js';

const REFRESH_MS = 700;

/**
 * @typedef {object} Engine
 * @property {string} name
 * @property {'unloaded' | 'loading' | 'ready' | 'failed' | 'stopping'} state
 * @property {'loaded' | 'last_load' | null} known_from source of the following fields; null: they are null
 * @property {number | null} sample_rate
 * @property {string[] | null} languages
 * @property {string | null} cloning
 * @property {string[] | null} voices
 * @property {number | null} max_reference_s
 * @property {import('../lib/schema_fields.js').Schema | null} options_schema
 * @property {{samples_per_frame: number} | null} codec
 * @property {{stage: string, done: number, total: number | null} | null} progress
 * @property {string | null} error
 */

/**
 * @typedef {object} Voice
 * @property {string} id
 * @property {string} name
 * @property {string} kind `stored` or `built-in`
 * @property {string} [engine] of a built-in voice
 * @property {string} [language]
 * @property {string} [description]
 * @property {string} [transcript]
 * @property {number} [duration_s]
 * @property {string} [created_at]
 * @property {string[]} [warnings]
 */

/** @param {boolean} isWaiting whether a request may be waiting for an engine to load */
export function useEngines(isWaiting) {
  const { api } = useApp();
  const [engines, setEngines] = useState(/** @type {Engine[]} */ ([]));
  const [voices, setVoices] = useState(/** @type {Voice[]} */ ([]));
  const [clipLimits, setClipLimits] = useState(/** @type {import('../clip/check.js').ClipLimits | null} */ (null));
  const [defaultEngine, setDefaultEngine] = useState('');
  const [error, setError] = useState(/** @type {Error | null} */ (null));

  const refresh = useCallback(async () => {
    try {
      const listed = await api.get('v1/engines');
      setEngines(listed.engines);
      setDefaultEngine(listed.default);
      setError(null);
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  }, [api]);

  const isLoading = engines.some((engine) => engine.state === 'loading' || engine.state === 'stopping');
  useEffect(() => {
    if (!isLoading && !isWaiting) return undefined;
    const timer = setInterval(refresh, REFRESH_MS);
    return () => clearInterval(timer);
  }, [isLoading, isWaiting, refresh]);

  useEffect(() => void refresh(), [refresh]);

  const refreshVoices = useCallback(async () => {
    try {
      const listed = await api.get('v1/voices');
      setVoices(listed.voices);
      setClipLimits(listed.clips);
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  }, [api]);

  // A loaded engine may know further voices.
  const states = engines.map((engine) => `${engine.name} ${engine.state === 'ready'}`).join();
  useEffect(() => {
    if (states) refreshVoices();
  }, [refreshVoices, states]);

  const load = useCallback(
    async (/** @type {string} */ name) => {
      await api.fetch(`v1/engines/${name}/load`, { method: 'POST' }).catch(setError);
      await refresh();
    },
    [api, refresh],
  );
  return { engines, voices, clipLimits, defaultEngine, error, refresh, refreshVoices, load };
}

/**
 * The voices that an engine can use, as values and labels.
 * @param {Engine | undefined} engine
 * @param {Voice[]} voices
 */
export function voicesOf(engine, voices) {
  if (!engine) return [];
  const usable = voices.filter((voice) =>
    voice.kind === 'stored' ? engine.cloning !== 'none' : voice.engine === engine.name,
  );
  const listed = new Set(usable.map((voice) => voice.id));
  const others = (engine.voices ?? []).filter((name) => !listed.has(name));
  return [
    ...usable.map((voice) => ({ id: voice.id, name: voice.name, about: voice.description ?? voice.language ?? '', isStored: voice.kind === 'stored' })),
    ...others.map((name) => ({ id: name, name, about: '', isStored: false })),
  ];
}
