/** A question before something that cannot be undone. */
import { useApp } from '../lib/context.js';
import { html, useEffect, useId, useRef } from '../lib/dom.js';

/** @param {{question: string, action: string, onAnswer: (isConfirmed: boolean) => void}} props action: what the button does */
export function ConfirmDialog({ question, action, onAnswer }) {
  const { t } = useApp();
  const id = useId();
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => dialog.current?.showModal(), []);
  const answer = (/** @type {boolean} */ isConfirmed) => {
    dialog.current?.close(); // gives the focus back
    onAnswer(isConfirmed);
  };
  return html`<dialog ref=${dialog} aria-labelledby=${id} onCancel=${() => answer(false)}>
    <p id=${id}>${question}</p>
    <div class="buttons">
      <button type="button" autofocus onClick=${() => answer(false)}>${t('key.cancel')}</button>
      <button type="button" class="danger" onClick=${() => answer(true)}>${action}</button>
    </div>
  </dialog>`;
}
