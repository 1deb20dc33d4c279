/** One request to `POST /tts`, read while it is synthesized. */
import { PcmDecoder, pcmRate } from '../audio/pcm.js';

/**
 * @typedef {object} StreamEvents
 * @property {(rateHz: number, headers: Headers) => Promise<void>} onStart before the first samples
 * @property {(samples: Int16Array<ArrayBuffer>) => void} onSamples
 */

/**
 * @param {import('../lib/api.js').Api} api
 * @param {Record<string, unknown>} body without format
 * @param {AbortSignal} signal aborts the synthesis at the server
 * @param {StreamEvents} events
 */
export async function streamSpeech(api, body, signal, events) {
  const response = await api.post('tts', { ...body, format: 'pcm', stream: true }, signal);
  await events.onStart(pcmRate(response.headers.get('content-type')), response.headers);
  const decoder = new PcmDecoder();
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    events.onSamples(decoder.decode(value));
  }
}
