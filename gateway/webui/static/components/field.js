/** A labeled form field with its hint and error. */
import { html, useId } from '../lib/dom.js';

/**
 * @typedef {object} FieldProps
 * @property {string} name the parameter of the API
 * @property {string} label
 * @property {string} [hint]
 * @property {string | null} [error]
 * @property {(attributes: Record<string, unknown>) => unknown} children makes the control from its attributes
 */

/** @param {FieldProps} props */
export function Field({ name, label, hint, error, children }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  const attributes = {
    id,
    name,
    'aria-describedby': described || undefined,
    'aria-invalid': error ? 'true' : undefined,
  };
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children(attributes)}
    ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    ${error && html`<p class="error" id="${id}-error">${error}</p>`}
  </div>`;
}
