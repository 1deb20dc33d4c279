/** One voice of the list. */
import { ApiError } from '../lib/api.js';
import { ConfirmDialog } from '../components/confirm_dialog.js';
import { Field } from '../components/field.js';
import { useApp } from '../lib/context.js';
import { html, useEffect, useRef, useState } from '../lib/dom.js';
import { errorText } from '../lib/error_text.js';
import { writeHash } from '../lib/location.js';
import { AuditionButton } from './audition_button.js';

/**
 * @typedef {object} VoiceItemProps
 * @property {import('../request/use_engines.js').Voice} voice
 * @property {import('./use_audition.js').Audition} audition of this voice
 * @property {() => void} play
 * @property {() => void} stop
 * @property {(name: string) => Promise<void>} rename
 * @property {() => Promise<void>} remove
 * @property {() => Promise<void>} save export
 */

/** @param {VoiceItemProps} props */
export function VoiceItem({ voice, audition, play, stop, rename, remove, save }) {
  const { t } = useApp();
  const [asking, setAsking] = useState(/** @type {'' | 'rename' | 'delete'} */ (''));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const attempt = (/** @type {() => Promise<void>} */ action) => {
    setError(null);
    action().catch(setError);
  };
  const isStored = voice.kind === 'stored';
  const facts = [
    isStored ? t('voice.stored') : t('voices.built_in', { engine: voice.engine ?? '' }),
    voice.language,
    voice.duration_s && `${voice.duration_s.toFixed(1)} s`,
    voice.description,
    voice.created_at?.slice(0, 10),
  ].filter(Boolean);
  const params = new URLSearchParams({ ...(voice.engine && { engine: voice.engine }), voice: voice.id });
  const button = (/** @type {string} */ label, /** @type {() => void} */ onClick) =>
    html`<button type="button" class="small" aria-label="${label} ${voice.name}" onClick=${onClick}>${label}</button>`;
  return html`<li data-voice=${voice.id}>
    ${asking === 'rename'
      ? html`<${Rename} name=${voice.name} rename=${rename} close=${() => setAsking('')} />`
      : html`<h3>${voice.name}</h3>`}
    <p class="hint">${facts.join(' · ')}</p>
    ${voice.transcript && html`<p class="transcript" lang=${voice.language}>${voice.transcript}</p>`}
    ${voice.warnings?.map((warning) => html`<p class="warning">${warning}</p>`)}
    <div class="buttons">
      <${AuditionButton} name=${voice.name} audition=${audition} play=${play} stop=${stop} />
      <a class="button small" href=${writeHash('speak', params)} aria-label="${t('voices.use')} ${voice.name}">${t('voices.use')}</a>
      ${isStored &&
      html`${button(t('voices.rename'), () => setAsking('rename'))} ${button(t('voices.export'), () => attempt(save))}
      ${button(t('voices.delete'), () => setAsking('delete'))}`}
    </div>
    ${error && html`<p class="error" role="alert">${errorText(error, t)}</p>`}
    ${asking === 'delete' &&
    html`<${ConfirmDialog}
      question=${t('voices.delete_question', { name: voice.name })}
      action=${t('voices.delete')}
      onAnswer=${(/** @type {boolean} */ isConfirmed) => {
        setAsking('');
        if (isConfirmed) attempt(remove);
      }}
    />`}
  </li>`;
}

/** @param {{name: string, rename: (name: string) => Promise<void>, close: () => void}} props */
function Rename({ name, rename, close }) {
  const { t } = useApp();
  const [text, setText] = useState(name);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  useEffect(() => form.current?.querySelector('input')?.focus(), []);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    setError(null);
    rename(text).then(close, setError);
  };
  const message = error && (error instanceof ApiError && error.param === 'name' ? error.message : errorText(error, t));
  return html`<form
    class="rename"
    ref=${form}
    onSubmit=${submit}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === 'Escape' && close()}
  >
    <${Field} name="name" label=${t('voices.new_name')} error=${message}>
      ${(/** @type {any} */ attributes) => html`<input
        ...${attributes}
        value=${text}
        autocomplete="off"
        onInput=${(/** @type {any} */ event) => setText(event.target.value)}
      />`}
    <//>
    <div class="buttons">
      <button class="small primary">${t('voices.save')}</button>
      <button type="button" class="small" onClick=${close}>${t('key.cancel')}</button>
    </div>
  </form>`;
}
