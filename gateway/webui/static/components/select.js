/** A list to choose from. */
import { html } from '../lib/dom.js';

/**
 * @typedef {object} SelectProps
 * @property {Record<string, unknown>} attributes
 * @property {string} value a value without an option gets one, so that a link keeps its meaning
 * @property {[value: string, label: string][]} options
 * @property {(value: string) => void} onChange
 */

/** @param {SelectProps} props */
export function Select({ attributes, value, options, onChange }) {
  const isListed = options.some(([listed]) => listed === value);
  /** @type {[string, string][]} */
  const all = isListed ? options : [...options, [value, value]];
  return html`<select
    ...${attributes}
    value=${value}
    onChange=${(/** @type {any} */ event) => onChange(event.target.value)}
  >
    ${all.map(([one, label]) => html`<option key=${one} value=${one} selected=${one === value}>${label}</option>`)}
  </select>`;
}
