/** Speaking: a streamed request, its playback and its figures. */
import { Peaks } from '../audio/peaks.js';
import { toFloat } from '../audio/pcm.js';
import { Player } from '../audio/player.js';
import { useApp } from '../lib/context.js';
import { useEffect, useRef, useState } from '../lib/dom.js';
import { Traces } from '../see/traces.js';
import { streamSpeech } from '../request/stream_speech.js';

const PEAK_S = 0.01;

/**
 * @typedef {object} Speech
 * @property {'idle' | 'waiting' | 'receiving' | 'playing' | 'done' | 'stopped' | 'failed'} state
 *     receiving: it plays while synthesis runs; playing: the audio is complete
 * @property {Record<string, unknown>} body the request, with the seed that was used
 * @property {number} rateHz
 * @property {Int16Array<ArrayBuffer>[]} chunks
 * @property {Peaks} peaks
 * @property {string} text as the gateway read it
 * @property {import('../request/stream_speech.js').SegmentEvent[]} segments
 * @property {Traces} traces
 * @property {boolean} isComplete
 * @property {number} durationS of the audio received so far
 * @property {number} positionS of the play head
 * @property {number} queueS seconds until an engine took the request, as the gateway measured
 * @property {number | null} firstAudioS seconds until the first audio
 * @property {number | null} totalS seconds until the last audio
 * @property {number | null} synthesisS seconds in which the engine worked, as the gateway measured
 * @property {Error | null} error
 */

/** @returns {Speech} */
const nothing = () => ({
  state: 'idle', body: {}, rateHz: 0, chunks: [], peaks: new Peaks(1), text: '', segments: [], traces: new Traces(), isComplete: false,
  durationS: 0, positionS: 0, queueS: 0, firstAudioS: null, totalS: null, synthesisS: null, error: null,
});

export function useSpeech() {
  const { api } = useApp();
  const [speech, setSpeech] = useState(nothing);
  const current = useRef({ controller: new AbortController(), player: /** @type {Player | null} */ (null) });

  const stop = () => {
    current.current.controller.abort();
    current.current.player?.close();
    setSpeech((old) => (isActive(old) ? { ...old, state: 'stopped' } : old));
  };
  useEffect(() => stop, []);

  /** A player and a setter that no longer does anything once something else is spoken or all is stopped. */
  const begin = (/** @type {number | undefined} */ rateHz) => {
    stop();
    const controller = new AbortController();
    const player = new Player(rateHz);
    current.current = { controller, player };
    const update = (/** @type {(old: Speech) => Partial<Speech>} */ change) => {
      if (!controller.signal.aborted) setSpeech((old) => ({ ...old, ...change(old) }));
    };
    const onProgress = (/** @type {number} */ positionS, /** @type {boolean} */ ended) => {
      if (ended) player.close();
      update(() => ({ positionS, ...(ended && { state: 'done' }) }));
    };
    return { player, signal: controller.signal, update, onProgress };
  };

  const speak = async (/** @type {Record<string, unknown>} */ body, /** @type {number | undefined} */ expectedRateHz) => {
    const { player, signal, update, onProgress } = begin(expectedRateHz);
    const startedAt = performance.now();
    const elapsedS = () => (performance.now() - startedAt) / 1000;
    const chunks = /** @type {Int16Array<ArrayBuffer>[]} */ ([]);
    const traces = new Traces();
    let peaks = new Peaks(1);
    let durationS = 0;
    let firstAudioS = /** @type {number | null} */ (null);
    let rateHz = 0;
    update(() => ({ ...nothing(), state: 'waiting', body, chunks, traces }));
    try {
      const done = await streamSpeech(api, body, signal, {
        async onStart({ sample_rate, seed, text, queue_ms }) {
          rateHz = sample_rate;
          await player.start(rateHz, onProgress);
          peaks = new Peaks(Math.round(rateHz * PEAK_S));
          update(() => ({ state: 'receiving', rateHz, peaks, text, queueS: queue_ms / 1000, body: { ...body, seed } }));
        },
        onSegment: (segment) => update((old) => ({ segments: [...old.segments, segment] })),
        onTrace(trace) {
          traces.add(trace);
          update(() => ({})); // draws them
        },
        onSamples(samples) {
          firstAudioS ??= elapsedS();
          durationS += samples.length / rateHz;
          chunks.push(samples);
          const floats = toFloat(samples);
          peaks.push(floats);
          player.push(floats);
          update(() => ({ durationS, firstAudioS }));
        },
      });
      player.complete();
      update((old) => ({
        state: old.state === 'done' ? 'done' : 'playing',
        isComplete: true,
        totalS: elapsedS(),
        synthesisS: done.total_ms / 1000 - old.queueS,
      }));
    } catch (error) {
      player.close();
      update(() => ({ state: 'failed', error: /** @type {Error} */ (error) }));
    }
  };

  const replay = async () => {
    const { player, update, onProgress } = begin(speech.rateHz);
    update(() => ({ state: 'playing', positionS: 0 }));
    await player.start(speech.rateHz, onProgress);
    for (const chunk of speech.chunks) player.push(toFloat(chunk));
    player.complete();
  };

  return { speech, speak, stop, replay };
}

/** @param {Speech} speech */
export function isActive(speech) {
  return ['waiting', 'receiving', 'playing'].includes(speech.state);
}
