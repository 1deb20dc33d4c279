/** The settings of one variant. */
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { EnginePicker } from '../request/engine_picker.js';
import { OptionFields } from '../request/option_fields.js';
import { SettingFields } from '../request/setting_fields.js';
import { voicesOf } from '../request/use_engines.js';

/**
 * @param {object} props
 * @param {number} props.number from 1
 * @param {import('./settings.js').Settings} props.variant
 * @param {(change: Partial<import('./settings.js').Settings>) => void} props.set
 * @param {ReturnType<typeof import('../request/use_engines.js').useEngines>} props.known
 * @param {import('../request/use_engines.js').Engine | undefined} props.engine
 * @param {import('../lib/schema_fields.js').SchemaField[]} props.fields of the engine's options
 * @param {Error | null} props.error of the request with these settings
 * @param {string | null} props.atFault the field that the error is about
 * @param {(() => void) | null} props.onRemove
 */
export function VariantFields({ number, variant, set, known, engine, fields, error, atFault, onRemove }) {
  const { t } = useApp();
  const setOption = (/** @type {string} */ name, /** @type {string} */ value) => set({ options: { ...variant.options, [name]: value } });
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
    <${OptionFields} fields=${fields} isKnown=${Boolean(engine?.options_schema)} knownFrom=${engine?.known_from} texts=${variant.options} setOption=${setOption} errorOf=${errorOf} />
  </section>`;
}
