/** The form that stores a voice. */
import { ClipField } from '../clip/clip_field.js';
import { Field } from '../components/field.js';
import { ApiError } from '../lib/api.js';
import { useApp } from '../lib/context.js';
import { html, useEffect, useRef, useState } from '../lib/dom.js';
import { errorText } from '../lib/error_text.js';
import { storeRequest } from './store_request.js';

const EMPTY = { name: '', transcript: '', language: '' };

/**
 * @typedef {object} AddVoiceProps
 * @property {import('../clip/clip.js').ClipRules | null} rules
 * @property {(voice: import('../request/use_engines.js').Voice) => void} onStored
 */

/** @param {AddVoiceProps} props */
export function AddVoice({ rules, onStored }) {
  const { api, t } = useApp();
  const [clip, setClip] = useState(/** @type {import('../clip/clip.js').Clip | null} */ (null));
  const [texts, setTexts] = useState(EMPTY);
  const [turn, setTurn] = useState(0);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [sending, setSending] = useState(/** @type {AbortController | null} */ (null));
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  useEffect(() => /** @type {HTMLElement | null | undefined} */ (form.current?.querySelector('[aria-invalid]'))?.focus(), [error]);

  const atFault = error instanceof ApiError && ['name', 'audio', 'transcript', 'language'].includes(error.param ?? '') ? error.param : null;
  const errorOf = (/** @type {string} */ name) => (error && atFault === name ? error.message : null);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const controller = new AbortController();
    setSending(controller);
    setError(null);
    try {
      const stored = await api.post('v1/voices', storeRequest(texts, clip), controller.signal);
      onStored(await stored.json());
      setTexts(EMPTY);
      setClip(null);
      setTurn(turn + 1);
    } catch (failure) {
      if (!controller.signal.aborted) setError(/** @type {Error} */ (failure));
    } finally {
      setSending(null);
    }
  };
  const text = (/** @type {keyof typeof EMPTY} */ name, /** @type {string} */ label, /** @type {string} */ hint, isLong = false) =>
    html`<${Field} name=${name} label=${label} hint=${hint} error=${errorOf(name)}>
      ${(/** @type {any} */ attributes) => {
        const onInput = (/** @type {any} */ event) => setTexts({ ...texts, [name]: event.target.value });
        return isLong
          ? html`<textarea ...${attributes} rows="3" value=${texts[name]} onInput=${onInput}></textarea>`
          : html`<input ...${attributes} autocomplete="off" value=${texts[name]} onInput=${onInput} />`;
      }}
    <//>`;
  return html`<form ref=${form} onSubmit=${submit} noValidate>
    <h2>${t('voices.add')}</h2>
    <p class="hint">${t('voices.consent')}</p>
    <${ClipField} key=${turn} name="audio" label=${t('clip')} clip=${clip} onClip=${setClip} rules=${rules} error=${errorOf('audio')} />
    ${text('transcript', t('transcript'), t('transcript.hint'), true)} ${text('name', t('voices.name'), t('voices.name_hint'))}
    ${text('language', t('language'), t('voices.language_hint'))}
    <div class="buttons">
      <button class="primary" disabled=${Boolean(sending)}>${sending ? t('voices.storing') : t('voices.store')}</button>
      ${sending && html`<button type="button" onClick=${() => sending.abort()}>${t('key.cancel')}</button>`}
    </div>
    <div role="alert">${error && !atFault && html`<p class="error">${errorText(error, t)}</p>`}</div>
  </form>`;
}
