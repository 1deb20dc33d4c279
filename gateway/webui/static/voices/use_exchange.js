/** Export and import of stored voices, one after the other, with progress. */
import { useApp } from '../lib/context.js';
import { useEffect, useRef, useState } from '../lib/dom.js';
import { saveFile } from '../lib/save_file.js';
import { dataUrl, readVoiceFile, VoiceFileError, voiceFile } from './voice_file.js';

/**
 * @typedef {object} Exchange
 * @property {'' | 'export' | 'import'} action that is running
 * @property {number} done
 * @property {number} total
 * @property {{name: string, isNew: boolean, error: Error | null}[]} imported results by voice
 * @property {Error | null} error
 */

/** @type {Exchange} */
const IDLE = { action: '', done: 0, total: 0, imported: [], error: null };

export function useExchange() {
  const { api, t } = useApp();
  const [exchange, setExchange] = useState(IDLE);
  const controller = useRef(new AbortController());

  /**
   * @template T, R
   * @param {'export' | 'import'} action
   * @param {T[]} items
   * @param {(item: T, signal: AbortSignal) => Promise<R>} each
   * @returns {Promise<R[]>}
   */
  const run = async (action, items, each) => {
    controller.current = new AbortController();
    const { signal } = controller.current;
    const results = [];
    for (const item of items) {
      setExchange((old) => ({ ...old, action, done: results.length, total: items.length }));
      signal.throwIfAborted();
      results.push(await each(item, signal));
    }
    return results;
  };

  /** End with an error, unless it is the user's own cancellation. */
  const end = (/** @type {unknown} */ error) => {
    const isShown = error && !controller.current.signal.aborted;
    setExchange((old) => ({ ...old, action: '', error: isShown ? /** @type {Error} */ (error) : null }));
  };

  /**
   * @param {import('../request/use_engines.js').Voice[]} voices
   * @param {string} name of the file
   */
  const exportVoices = async (voices, name) => {
    setExchange({ ...IDLE });
    try {
      const entries = await run('export', voices, async ({ id, name, transcript, language }, signal) => {
        const clip = await api.fetch(`v1/voices/${id}/audio`, { signal });
        return { name, transcript: transcript ?? '', ...(language && { language }), audio: await dataUrl(await clip.blob()) };
      });
      saveFile(voiceFile(entries), name);
      end(null);
    } catch (error) {
      end(error);
    }
  };

  /** @param {File} file */
  const importVoices = async (file) => {
    setExchange({ ...IDLE });
    try {
      await run('import', await readVoiceFile(file), async (entry, signal) => {
        const result = await api.post('v1/voices', entry, signal).then(
          (response) => ({ name: entry.name, isNew: response.status === 201, error: null }),
          (error) => ({ name: entry.name, isNew: false, error }),
        );
        signal.throwIfAborted();
        setExchange((old) => ({ ...old, imported: [...old.imported, result] }));
      });
      end(null);
    } catch (error) {
      end(error instanceof VoiceFileError ? new Error(t(`import.${error.reason}`)) : error);
    }
  };
  const cancel = () => controller.current.abort();
  useEffect(() => cancel, []);
  return { exchange, exportVoices, importVoices, cancel };
}
