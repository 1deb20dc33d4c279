/** Stage 2: a text, and codes of the voice to imitate, as codes of speech. */
import { Field } from '../components/field.js';
import { ApiError } from '../lib/api.js';
import { useApp } from '../lib/context.js';
import { html, useMemo } from '../lib/dom.js';
import { schemaFields } from '../lib/schema_fields.js';
import { OptionFields } from '../request/option_fields.js';
import { fieldAtFault, speechRequest } from '../request/settings.js';
import { CodesField, useCodes } from './codes_field.js';
import { generate } from './requests.js';
import { CodesResult } from './results.js';
import { Stage } from './stage.js';

const VOICE_OPTIONS = ['prompt_tokens', 'prompt_text']; // they have fields of their own here

/**
 * @typedef {object} GenerateStageProps
 * @property {import('./use_stage.js').Run<import('./requests.js').Codes>} generating
 * @property {import('../lib/npy.js').Codes | null} encoded result of stage 1
 * @property {import('../request/use_engines.js').Engine | undefined} engine
 * @property {import('../request/settings.js').Settings} settings
 * @property {(change: Partial<import('../request/settings.js').Settings>) => void} set
 * @property {string} source of the voice's codes
 * @property {(source: string) => void} onSource
 */

/** @param {GenerateStageProps} props */
export function GenerateStage({ generating, encoded, engine, settings, set, source, onSource }) {
  const { api, t } = useApp();
  const fields = useMemo(() => schemaFields(engine?.options_schema), [engine?.options_schema]);
  const voice = useCodes(source, { encoded });
  const hasVoice = source !== 'none';
  const { result, error } = generating.stage;
  const names = ['text', 'seed', ...VOICE_OPTIONS.map((name) => `options.${name}`), ...fields.map(({ name }) => `options.${name}`)];
  const atFault = error instanceof ApiError ? fieldAtFault(error.param, names) : null;
  const errorOf = (/** @type {string} */ name) => (error && atFault === name ? error.message : null);
  const setOption = (/** @type {string} */ name, /** @type {string} */ value) =>
    set({ options: { ...settings.options, [name]: value } });

  const run = () => {
    const options = hasVoice ? settings.options : { ...settings.options, prompt_text: '' };
    const body = speechRequest({ ...settings, engine: engine?.name ?? '', options }, fields);
    generating.run((/** @type {AbortSignal} */ signal) => generate(api, body, hasVoice ? voice.codes : null, signal));
  };
  const input = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ value, /** @type {(value: string) => void} */ onInput, hint = '') =>
    html`<${Field} name=${name} label=${label} hint=${hint} error=${errorOf(name)}>
      ${(/** @type {any} */ attributes) =>
        html`<input ...${attributes} value=${value} onInput=${(/** @type {any} */ event) => onInput(event.target.value)} />`}
    <//>`;
  return html`<${Stage}
    name="generate"
    ...${generating}
    run=${run}
    engine=${engine}
    isComplete=${Boolean(engine && settings.text && (!hasVoice || voice.codes))}
    isShown=${atFault}
    result=${result && html`<${CodesResult} result=${result} engine=${engine} name="codes_0.npy" />`}
  >
    ${input('text', t('text'), settings.text, (text) => set({ text }))}
    <${CodesField}
      name="prompt"
      sources=${{ encoded }}
      source=${source}
      onSource=${onSource}
      onFile=${voice.setFile}
      isOptional=${true}
      error=${errorOf('options.prompt_tokens')}
    />
    ${hasVoice &&
    input('options.prompt_text', t('stages.prompt_text'), settings.options.prompt_text ?? '', (text) => setOption('prompt_text', text))}
    ${input('seed', t('seed'), settings.seed, (seed) => set({ seed }), t('seed.hint'))}
    <${OptionFields}
      fields=${fields.filter(({ name }) => !VOICE_OPTIONS.includes(name))}
      isKnown=${Boolean(engine?.options_schema)}
      texts=${settings.options}
      setOption=${setOption}
      errorOf=${errorOf}
    />
  <//>`;
}
