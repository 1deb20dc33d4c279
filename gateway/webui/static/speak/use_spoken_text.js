/** What the text stage makes of the text, asked for after a pause in typing. */
import { useApp } from '../lib/context.js';
import { useEffect, useState } from '../lib/dom.js';
import { textRequest } from '../request/settings.js';

const PAUSE_MS = 400;

/** @typedef {{start: number, end: number, written: string, spoken: string, category: string}} TextChange */
/** @typedef {{spoken_text: string, languages: string[], changes: TextChange[], refused: {character: string}[], ignored: string[]}} SpokenText */

/**
 * @param {import('../request/settings.js').Settings} settings
 * @param {boolean} isReady whether the engine is loaded; typing must not load it
 */
export function useSpokenText(settings, isReady) {
  const { api } = useApp();
  const [spoken, setSpoken] = useState(/** @type {SpokenText | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const body = JSON.stringify(textRequest(settings));
  useEffect(() => {
    setError(null);
    if (!isReady || !settings.text.trim()) {
      setSpoken(null);
      return undefined;
    }
    const controller = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const response = await api.post('v1/text', JSON.parse(body), controller.signal);
        setSpoken(await response.json());
      } catch (failure) {
        if (controller.signal.aborted) return;
        setSpoken(null);
        setError(/** @type {Error} */ (failure));
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [api, body, isReady]);
  return { spoken, error };
}
