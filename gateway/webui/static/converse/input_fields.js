/** The ways to put text in: typing, and a pasted text that is sent in pieces. */
import { Field } from '../components/field.js';
import { Select } from '../components/select.js';
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { UNITS } from './pacing.js';
import { MAX_RATE } from './settings.js';

/**
 * @param {{typed: string, onTyped: (typed: string, isComposing: boolean) => void}} props
 *     isComposing: whether an input method may still change the text
 */
export function TypeField({ typed, onTyped }) {
  const { t } = useApp();
  const onInput = (/** @type {any} */ event) => onTyped(event.target.value, event.isComposing ?? false);
  return html`<${Field} name="typed" label=${t('converse.typed')} hint=${t('converse.typed.hint')}>
    ${(/** @type {any} */ attributes) => html`<input
      ...${attributes}
      type="text"
      autocomplete="off"
      value=${typed}
      onInput=${onInput}
      onCompositionEnd=${(/** @type {any} */ event) => onTyped(event.target.value, false)}
    />`}
  <//>`;
}

/**
 * @param {object} props
 * @param {import('./settings.js').LiveSettings} props.settings
 * @param {(change: Partial<import('./settings.js').LiveSettings>) => void} props.set
 * @param {(text: string) => void} props.setText
 * @param {string | null} props.error
 */
export function PasteField({ settings, set, setText, error }) {
  const { t } = useApp();
  const { text } = settings.request;
  /** @type {[string, string][]} */
  const units = UNITS.map((unit) => [unit, t(`converse.${unit}`)]);
  return html`<${Field} name="text" label=${t('text')} hint=${t('text.count', { count: [...text].length })} error=${error}>
      ${(/** @type {any} */ attributes) => html`<textarea
        ...${attributes}
        rows="4"
        value=${text}
        placeholder=${t('text.placeholder')}
        onInput=${(/** @type {any} */ event) => setText(event.target.value)}
      ></textarea>`}
    <//>
    <div class="pair">
      <${Field} name="rate" label=${t('converse.rate')} hint=${t('converse.rate.hint')}>
        ${(/** @type {any} */ attributes) => html`<input
          ...${attributes}
          type="number"
          min="1"
          max=${MAX_RATE}
          value=${settings.rate}
          onInput=${(/** @type {any} */ event) => set({ rate: event.target.value })}
        />`}
      <//>
      <${Field} name="unit" label=${t('converse.unit')}>
        ${(/** @type {any} */ attributes) => html`<${Select}
          attributes=${attributes}
          value=${settings.unit}
          options=${units}
          onChange=${(/** @type {import('./pacing.js').Unit} */ unit) => set({ unit })}
        />`}
      <//>
    </div>`;
}
