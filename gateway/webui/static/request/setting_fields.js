/** The settings that every engine has. */
import { Field } from '../components/field.js';
import { Select } from '../components/select.js';
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { FORMATS } from './settings.js';

/**
 * @typedef {object} SettingFieldsProps
 * @property {import('./settings.js').Settings} settings
 * @property {(change: Partial<import('./settings.js').Settings>) => void} set
 * @property {{id: string, name: string, about: string, isStored: boolean}[]} voices
 * @property {string[]} languages
 * @property {(name: string) => string | null} errorOf
 * @property {boolean} [hasFormat] whether there are downloads
 * @property {boolean} [isVoiceUnused] a reference clip replaces the voice
 * @property {unknown} [belowVoice] further fields about the voice
 */

/** @param {SettingFieldsProps} props */
export function SettingFields({
  settings, set, voices, languages, errorOf, hasFormat = true, isVoiceUnused = false, belowVoice,
}) {
  const { t } = useApp();
  const field = (/** @type {string} */ name, /** @type {any} */ control, /** @type {string} */ hint = '') =>
    html`<${Field} name=${name} label=${t(name)} hint=${hint} error=${errorOf(name)}>${control}<//>`;
  const select = (/** @type {'voice' | 'language' | 'format' | 'ssml'} */ name, /** @type {[string, string][]} */ options, isUnused = false) =>
    field(
      name,
      (/** @type {any} */ attributes) =>
        html`<${Select}
          attributes=${{ ...attributes, disabled: isUnused }}
          value=${settings[name]}
          options=${options}
          onChange=${(/** @type {string} */ value) => set({ [name]: value })}
        />`,
      isUnused ? t('reference.unused') : '',
    );
  const number = (/** @type {'speed' | 'seed'} */ name, /** @type {object} */ limits, /** @type {string} */ hint) =>
    field(
      name,
      (/** @type {any} */ attributes) =>
        html`<input
          ...${attributes}
          ...${limits}
          type="number"
          value=${settings[name]}
          onInput=${(/** @type {any} */ event) => set({ [name]: event.target.value })}
        />`,
      hint,
    );
  return html`
    ${select('voice', [['', t('voice.first')], ...voices.map((voice) => /** @type {[string, string]} */ ([voice.id, label(voice, t)]))], isVoiceUnused)}
    ${belowVoice}
    ${languages.length > 1 &&
    select('language', [['', t('language.any')], ...languages.map((tag) => /** @type {[string, string]} */ ([tag, tag]))])}
    <div class="pair">
      ${number('speed', { min: 0.25, max: 4, step: 0.05 }, '')}
      ${hasFormat && select('format', Object.keys(FORMATS).map((name) => [name, name]))}
    </div>
    ${number('seed', { min: 0, max: 4294967295, step: 1 }, t('seed.hint'))}
    ${select('ssml', [['auto', t('ssml.auto')], ['true', t('on')], ['false', t('off')]])}
    <label class="check">
      <input
        type="checkbox"
        name="normalize"
        checked=${settings.normalize}
        onChange=${(/** @type {any} */ event) => set({ normalize: event.target.checked })}
      />
      ${t('normalize')}
    </label>
  `;
}

/**
 * @param {{name: string, about: string, isStored: boolean}} voice
 * @param {import('../lib/i18n.js').Translate} t
 */
function label({ name, about, isStored }, t) {
  const details = [isStored && t('voice.stored'), about].filter(Boolean).join(', ');
  return details ? `${name} (${details})` : name;
}
