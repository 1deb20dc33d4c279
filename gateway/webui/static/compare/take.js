/** One text made with one setting. */
import { toFloat } from '../audio/pcm.js';
import { streamSpeech } from '../request/stream_speech.js';
import { measureSpeech } from './measure.js';

/**
 * @typedef {object} Take
 * @property {'waiting' | 'receiving' | 'done' | 'stopped' | 'failed'} state
 * @property {import('../request/settings.js').Settings} variant the setting it was made with
 * @property {string} engine
 * @property {string} voice
 * @property {number} rateHz
 * @property {Int16Array<ArrayBuffer>[]} chunks
 * @property {import('./measure.js').Measured} speech
 * @property {number} durationS
 * @property {number | null} firstAudioS from the request to the first audio
 * @property {number | null} totalS from the request to the last audio
 * @property {Error | null} error
 */

/**
 * @param {import('../request/settings.js').Settings} variant
 * @returns {Take}
 */
export const waitingTake = (variant) => ({
  state: 'waiting', variant, engine: '', voice: '', rateHz: 0, chunks: [], speech: { startS: 0, endS: 0, rms: 0 }, durationS: 0,
  firstAudioS: null, totalS: null, error: null,
});

/**
 * @param {import('../lib/api.js').Api} api
 * @param {Record<string, unknown>} body
 * @param {AbortSignal} signal
 * @param {(change: Partial<Take>) => void} update
 */
export async function makeTake(api, body, signal, update) {
  const startedAt = performance.now();
  const elapsedS = () => (performance.now() - startedAt) / 1000;
  const chunks = /** @type {Int16Array<ArrayBuffer>[]} */ ([]);
  let rateHz = 0;
  try {
    await streamSpeech(api, body, signal, {
      async onStart({ sample_rate, engine, voice }) {
        rateHz = sample_rate;
        update({ state: 'receiving', engine, voice });
      },
      onSamples(samples) {
        if (!chunks.length) update({ firstAudioS: elapsedS() });
        chunks.push(samples);
      },
    });
    const totalS = elapsedS();
    const samples = toFloat(joined(chunks));
    update({ state: 'done', rateHz, chunks, totalS, durationS: samples.length / rateHz, speech: measureSpeech(samples, rateHz) });
  } catch (error) {
    update(signal.aborted ? { state: 'stopped' } : { state: 'failed', error: /** @type {Error} */ (error) });
  }
}

/** @param {Int16Array[]} chunks */
function joined(chunks) {
  const all = new Int16Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
