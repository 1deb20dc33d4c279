/** One request to `POST /tts`, read while it is synthesized. */
import { PcmDecoder } from '../audio/pcm.js';
import { ApiError } from '../lib/api.js';
import { bytesOf } from '../lib/base64.js';
import { jsonLines } from '../lib/ndjson.js';

/**
 * @typedef {object} StartEvent
 * @property {number} sample_rate
 * @property {string} engine
 * @property {string} voice
 * @property {number} seed
 * @property {string} text which positions refer to
 * @property {number} queue_ms
 */

/** @typedef {{start: number, end: number, at_ms: number}} SegmentEvent the audio that follows speaks this span */
/** @typedef {{duration_ms: number, first_audio_ms: number, total_ms: number}} DoneEvent times since the request arrived */

/**
 * @typedef {object} StreamEvents
 * @property {(event: StartEvent) => Promise<void>} onStart before all others
 * @property {(samples: Int16Array<ArrayBuffer>) => void} onSamples
 * @property {(event: SegmentEvent) => void} [onSegment]
 * @property {(event: import('../see/traces.js').TraceEvent) => void} [onTrace]
 */

/**
 * @param {import('../lib/api.js').Api} api
 * @param {Record<string, unknown>} body without format
 * @param {AbortSignal} signal aborts the synthesis at the server
 * @param {StreamEvents} events
 * @returns {Promise<DoneEvent>}
 */
export async function streamSpeech(api, body, signal, events) {
  const response = await api.post('tts', { ...body, format: 'pcm', response: 'events' }, signal);
  const decoder = new PcmDecoder();
  for await (const event of jsonLines(/** @type {ReadableStream<Uint8Array>} */ (response.body))) {
    if (event.type === 'start') await events.onStart(event);
    else if (event.type === 'audio') events.onSamples(decoder.decode(bytesOf(event.audio)));
    else if (event.type === 'segment') events.onSegment?.(event);
    else if (event.type === 'trace') events.onTrace?.(event);
    else if (event.type === 'error') throw new ApiError(response.status, event.error);
    else if (event.type === 'done') return event;
  }
  throw new TypeError('the response ended early');
}
