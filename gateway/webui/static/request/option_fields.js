/** The options of the engine, from the schema that it declares. */
import { Field } from '../components/field.js';
import { Select } from '../components/select.js';
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';

/**
 * @typedef {object} OptionFieldsProps
 * @property {import('../lib/schema_fields.js').SchemaField[]} fields
 * @property {boolean} isKnown whether the engine has been loaded once
 * @property {string | null} [knownFrom] the engine's `known_from`
 * @property {Record<string, string>} texts
 * @property {(name: string, text: string) => void} setOption
 * @property {(name: string) => string | null} errorOf
 */

/** @param {OptionFieldsProps} props */
export function OptionFields({ fields, isKnown, knownFrom, texts, setOption, errorOf }) {
  const { t } = useApp();
  if (!isKnown) return html`<p class="hint">${t('options.unknown')}</p>`;
  if (!fields.length) return null;
  return html`<fieldset>
    <legend>${t('options')}</legend>
    ${knownFrom === 'last_load' && html`<p class="hint">${t('engine.last_load')}</p>`}
    ${fields.map((field) => {
      const error = errorOf(`options.${field.name}`);
      return html`<${Field} key=${field.name} name="options.${field.name}" label=${field.name} hint=${field.description} error=${error}>
        ${(/** @type {any} */ attributes) => control(field, attributes, texts[field.name] ?? '', (text) => setOption(field.name, text), t)}
      <//>`;
    })}
  </fieldset>`;
}

/**
 * @param {import('../lib/schema_fields.js').SchemaField} field
 * @param {Record<string, unknown>} attributes
 * @param {string} text
 * @param {(text: string) => void} onText
 * @param {import('../lib/i18n.js').Translate} t
 */
function control(field, attributes, text, onText, t) {
  if (field.kind === 'choice') {
    const standard = field.defaultText ? t('options.default_is', { value: field.defaultText }) : t('options.default');
    /** @type {[string, string][]} */
    const options = [['', standard], ...field.choices.map((one) => /** @type {[string, string]} */ ([one, one]))];
    return html`<${Select} attributes=${attributes} value=${text} options=${options} onChange=${onText} />`;
  }
  const limits = field.kind === 'number' ? { type: 'number', min: field.min, max: field.max, step: field.step } : { type: 'text' };
  return html`<input
    ...${attributes}
    ...${limits}
    placeholder=${field.defaultText}
    value=${text}
    onInput=${(/** @type {any} */ event) => onText(event.target.value)}
  />`;
}
