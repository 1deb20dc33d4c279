/** The choice of the engine, with its state. */
import { Field } from '../components/field.js';
import { Select } from '../components/select.js';
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { progressText } from './progress.js';

/**
 * @typedef {object} EnginePickerProps
 * @property {import('./use_engines.js').Engine[]} engines
 * @property {import('./use_engines.js').Engine | undefined} engine the chosen one
 * @property {import('./settings.js').Settings} settings
 * @property {(change: Partial<import('./settings.js').Settings>) => void} set
 * @property {(name: string) => void} load
 * @property {(name: string) => string | null} errorOf
 */

/** @param {EnginePickerProps} props */
export function EnginePicker({ engines, engine, settings, set, load, errorOf }) {
  const { t } = useApp();
  /** @type {[string, string][]} */
  const options = engines.map(({ name, state }) => [name, `${name} (${t(`state.${state}`)})`]);
  const choose = (/** @type {string} */ name) => set({ engine: name, voice: '', language: '', options: {} });
  const canLoad = engine && (engine.state === 'unloaded' || engine.state === 'failed');
  return html`<div>
    <${Field} name="engine" label=${t('engine')} hint=${engine && about(engine, t)} error=${errorOf('engine')}>
      ${(/** @type {any} */ attributes) =>
        html`<${Select}
          attributes=${attributes}
          value=${settings.engine || engine?.name || ''}
          options=${options}
          onChange=${choose}
        />`}
    <//>
    ${engine?.state === 'failed' && html`<p class="error">${engine.error}</p>`}
    ${canLoad &&
    html`<button type="button" class="small" onClick=${() => load(engine.name)}>${t('engine.load')}</button>`}
  </div>`;
}

/**
 * @param {import('./use_engines.js').Engine} engine
 * @param {import('../lib/i18n.js').Translate} t
 */
function about(engine, t) {
  if (engine.state === 'loading') return progressText(engine, t);
  if (!engine.languages) return t('engine.unknown');
  const facts = [t('engine.languages', { languages: engine.languages.join(', ') }), t(`cloning.${engine.cloning}`)];
  if (engine.known_from === 'last_load') facts.push(t('engine.last_load'));
  return facts.join(' · ');
}
