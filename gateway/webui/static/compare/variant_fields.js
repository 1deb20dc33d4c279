/** The settings of one variant. */
import { ApiError } from '../lib/api.js';
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { schemaFields } from '../lib/schema_fields.js';
import { EnginePicker } from '../request/engine_picker.js';
import { OptionFields } from '../request/option_fields.js';
import { SettingFields } from '../request/setting_fields.js';
import { fieldAtFault } from '../request/settings.js';
import { voicesOf } from '../request/use_engines.js';

/**
 * @param {object} props
 * @param {number} props.number from 1
 * @param {import('./settings.js').Settings} props.variant
 * @param {(change: Partial<import('./settings.js').Settings>) => void} props.set
 * @param {ReturnType<typeof import('../request/use_engines.js').useEngines>} props.known
 * @param {Error | null} props.error of the request with these settings
 * @param {(() => void) | null} props.onRemove
 */
export function VariantFields({ number, variant, set, known, error, onRemove }) {
  const { t } = useApp();
  const engine = known.engines.find(({ name }) => name === (variant.engine || known.defaultEngine));
  const fields = schemaFields(engine?.options_schema);
  const setOption = (/** @type {string} */ name, /** @type {string} */ value) => set({ options: { ...variant.options, [name]: value } });
  const atFault = faultOf(error, fields.map(({ name }) => `options.${name}`));
  const errorOf = (/** @type {string} */ name) => (error && atFault === name ? error.message : null);
  return html`<section class="settings" aria-label=${t('compare.setting', { number })}>
    <div class="heading">
      <h2>${t('compare.setting', { number })}</h2>
      ${onRemove && html`<button type="button" class="small" onClick=${onRemove}>${t('compare.remove')}</button>`}
    </div>
    <${EnginePicker} engines=${known.engines} engine=${engine} settings=${variant} set=${set} load=${known.load} errorOf=${errorOf} />
    <${SettingFields}
      settings=${variant}
      set=${set}
      voices=${voicesOf(engine, known.voices)}
      languages=${engine?.languages ?? []}
      errorOf=${errorOf}
      hasFormat=${false}
    />
    <${OptionFields} fields=${fields} isKnown=${Boolean(engine?.options_schema)} texts=${variant.options} setOption=${setOption} errorOf=${errorOf} />
  </section>`;
}

const FIELDS = ['text', 'engine', 'voice', 'language', 'speed', 'seed', 'ssml'];

/**
 * The field that an error is about; null: none of the view's.
 * @param {Error | null} error
 * @param {string[]} options names of the engine's
 */
export function faultOf(error, options = ['options']) {
  return error instanceof ApiError ? fieldAtFault(error.param, [...FIELDS, ...options]) : null;
}
