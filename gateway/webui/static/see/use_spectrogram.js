/** The spectrogram of the audio received so far. */
import { useEffect, useRef, useState } from '../lib/dom.js';

/** @typedef {import('./images.js').Values} Values */

/**
 * @param {Int16Array<ArrayBuffer>[]} chunks grows; another array is another signal
 * @param {number} count number of chunks
 * @param {number} rateHz
 * @returns {Values | null}
 */
export function useSpectrogram(chunks, count, rateHz) {
  const [image, setImage] = useState(/** @type {Values | null} */ (null));
  const [isIdle, setIdle] = useState(true);
  const worker = useRef(/** @type {Worker | null} */ (null));
  const sent = useRef(0);
  useEffect(() => {
    const started = new Worker(new URL('./spectrogram_worker.js', import.meta.url), { type: 'module' });
    started.onmessage = ({ data }) => {
      setImage(data);
      setIdle(true);
    };
    started.postMessage({ rateHz });
    worker.current = started;
    sent.current = 0;
    setImage(null);
    setIdle(true);
    return () => started.terminate();
  }, [chunks, rateHz]);
  useEffect(() => {
    if (!isIdle || sent.current >= count) return;
    worker.current?.postMessage({ chunks: chunks.slice(sent.current, count) });
    sent.current = count;
    setIdle(false);
  }, [isIdle, chunks, count]);
  return image;
}
