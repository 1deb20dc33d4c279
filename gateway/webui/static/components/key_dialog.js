/** The question for an API key. */
import { useApp } from '../lib/context.js';
import { html, useEffect, useRef, useState } from '../lib/dom.js';
import { Field } from './field.js';

/**
 * @param {{isRefused: boolean, onAnswer: (key: string | null) => void}} props
 *     isRefused: whether a key was sent and refused
 */
export function KeyDialog({ isRefused, onAnswer }) {
  const { t } = useApp();
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [key, setKey] = useState('');
  useEffect(() => dialog.current?.showModal(), []);
  const answer = (/** @type {Event} */ event) => {
    event.preventDefault();
    onAnswer(key.trim() || null);
  };
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault();
    onAnswer(null);
  };
  return html`<dialog ref=${dialog} aria-labelledby="key-title" onCancel=${cancel}>
    <form onSubmit=${answer}>
      <h2 id="key-title">${t('key.title')}</h2>
      <p>${t('key.about')}</p>
      <${Field} name="key" label=${t('key.label')} error=${isRefused ? t('key.refused') : null}>
        ${(/** @type {any} */ attributes) => html`<input
          ...${attributes}
          type="password"
          autocomplete="off"
          value=${key}
          onInput=${(/** @type {any} */ event) => setKey(event.target.value)}
        />`}
      <//>
      <div class="buttons">
        <button class="primary">${t('key.use')}</button>
        <button type="button" onClick=${cancel}>${t('key.cancel')}</button>
      </div>
    </form>
  </dialog>`;
}
