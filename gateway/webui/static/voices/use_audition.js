/** Listening to one voice at a time: a stored voice's clip, or a sentence in a built-in voice. */
import { useApp } from '../lib/context.js';
import { useEffect, useRef, useState } from '../lib/dom.js';
import { sampleSentence } from './sample_sentences.js';

/**
 * @typedef {object} Audition
 * @property {string} id what is heard, or failed
 * @property {'' | 'waiting' | 'playing' | 'failed'} state
 * @property {Error | null} error
 */

/**
 * @typedef {object} Auditioned
 * @property {string} [voice] a stored voice's ID, or a built-in voice; none: the engine's first
 * @property {boolean} isStored
 * @property {string} [engine] of a built-in voice
 * @property {(string | undefined)[]} languages of the sentence, by preference
 */

/** @type {Audition} */
export const NOTHING = { id: '', state: '', error: null };

export function useAudition() {
  const { api } = useApp();
  const [audition, setAudition] = useState(NOTHING);
  const current = useRef({ controller: new AbortController(), audio: /** @type {HTMLAudioElement | null} */ (null) });

  const stop = () => {
    current.current.controller.abort();
    current.current.audio?.pause();
    setAudition(NOTHING);
  };
  useEffect(() => stop, []);

  /** @param {string} id @param {Auditioned} auditioned */
  const play = async (id, auditioned) => {
    stop();
    api.askAgain();
    const controller = new AbortController();
    const audio = new Audio();
    current.current = { controller, audio };
    setAudition({ id, state: 'waiting', error: null });
    try {
      const response = await request(auditioned, controller.signal);
      const url = URL.createObjectURL(await response.blob());
      controller.signal.addEventListener('abort', () => URL.revokeObjectURL(url));
      audio.src = url;
      audio.onended = stop;
      await audio.play();
      if (!controller.signal.aborted) setAudition({ id, state: 'playing', error: null });
    } catch (error) {
      if (!controller.signal.aborted) setAudition({ id, state: 'failed', error: /** @type {Error} */ (error) });
    }
  };

  /** @param {Auditioned} auditioned @param {AbortSignal} signal */
  const request = ({ voice, isStored, engine, languages }, signal) =>
    isStored && voice
      ? api.fetch(`v1/voices/${encodeURIComponent(voice)}/audio`, { signal })
      : api.post('tts', { text: sampleSentence(languages), engine, voice }, signal);
  return { audition, play, stop };
}
