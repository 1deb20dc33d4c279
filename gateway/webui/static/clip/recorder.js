/** Recording with a level meter. */
import { errorText } from '../lib/error_text.js';
import { useApp } from '../lib/context.js';
import { html, useEffect, useRef, useState } from '../lib/dom.js';
import { clock } from '../lib/numbers.js';
import { decode, RATE_HZ, recordingFile } from './decode.js';
import { canRecord, Microphone } from './microphone.js';

const REFRESH_MS = 100;
const LOUD = 0.9; // from here on, peaks may be clipped

/** @param {{maxS: number, onRecording: (file: File) => void}} props onRecording: a WAV file */
export function Recorder({ maxS, onRecording }) {
  const { t } = useApp();
  const [error, setError] = useState('');
  const [sound, setSound] = useState(/** @type {{level: number, seconds: number} | null} */ (null));
  const microphone = useRef(/** @type {Microphone | null} */ (null));
  const isOpening = useRef(false);
  const isGone = useRef(false);

  const stop = async (/** @type {boolean} */ isKept) => {
    const open = microphone.current;
    microphone.current = null;
    setSound(null);
    if (!open) return;
    const recording = await open.stop();
    if (!isKept) return;
    const samples = await decode(recording);
    if (samples?.length) onRecording(recordingFile(samples.subarray(0, Math.floor(maxS * RATE_HZ))));
    else setError(t('record.empty'));
  };
  useEffect(() => () => {
    isGone.current = true;
    stop(false);
  }, []);

  const isRecording = sound !== null;
  useEffect(() => {
    if (!isRecording) return undefined;
    const startedAt = performance.now();
    const timer = setInterval(() => {
      const seconds = (performance.now() - startedAt) / 1000;
      setSound({ level: microphone.current?.level() ?? 0, seconds });
      if (seconds >= maxS) stop(true);
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [isRecording]);

  const start = async () => {
    if (isOpening.current) return;
    isOpening.current = true;
    setError('');
    try {
      const opened = await Microphone.open();
      microphone.current = opened;
      if (isGone.current) return void stop(false); // the view was left before the user allowed it
      setSound({ level: 0, seconds: 0 });
      opened.ended.then(() => {
        if (microphone.current === opened) stop(true); // the device is gone
      });
    } catch (failure) {
      setError(refusal(/** @type {Error} */ (failure), t));
    } finally {
      isOpening.current = false;
    }
  };

  if (!canRecord()) return html`<p class="hint">${t('record.needs_https')}</p>`;
  if (!sound) {
    return html`<div>
      <button type="button" class="small" onClick=${start}>● ${t('record')}</button>
      <div role="alert">${error && html`<p class="error">${error}</p>`}</div>
    </div>`;
  }
  return html`<div class="recorder">
    <meter
      aria-label=${t('record.level')}
      value=${sound.level}
      low=${LOUD / 2}
      high=${LOUD}
      optimum="0.2"
      data-level=${sound.level.toFixed(2)}
    ></meter>
    <span class="time">${clock(sound.seconds)} / ${clock(maxS)}</span>
    <button type="button" class="small primary" onClick=${() => stop(true)}>■ ${t('record.stop')}</button>
    <button type="button" class="small" onClick=${() => stop(false)}>${t('key.cancel')}</button>
  </div>`;
}

/**
 * @param {Error} error
 * @param {import('../lib/i18n.js').Translate} t
 */
function refusal(error, t) {
  if (error.name === 'NotAllowedError') return t('record.refused');
  if (error.name === 'NotFoundError') return t('record.no_microphone');
  return errorText(error, t);
}
