/** Compare: one text through several settings, heard in turn or as a blind test. */
import { Field } from '../components/field.js';
import { ApiError } from '../lib/api.js';
import { useApp } from '../lib/context.js';
import { html, useEffect, useRef, useState } from '../lib/dom.js';
import { errorText } from '../lib/error_text.js';
import { schemaFields } from '../lib/schema_fields.js';
import { DEFAULTS, fieldAtFault, speechRequest } from '../request/settings.js';
import { shownFields } from '../request/shown_fields.js';
import { useEngines } from '../request/use_engines.js';
import { BlindTest } from './blind_test.js';
import { equalGains } from './measure.js';
import { PositionSlider } from './position_slider.js';
import { comparisonFromParams, comparisonToParams, MAX_VARIANTS, MIN_VARIANTS } from './settings.js';
import { TakeCards } from './take_cards.js';
import { usePlayback } from './use_playback.js';
import { isMaking, useTakes } from './use_takes.js';
import { VariantFields } from './variant_fields.js';

const LINK_PAUSE_MS = 300;

/** @typedef {import('./settings.js').Comparison} Comparison */
/** @typedef {import('./settings.js').Settings} Settings */

/** @param {import('../views.js').ViewProps} props */
export function CompareView({ params, onParams }) {
  const { t } = useApp();
  const [comparison, setComparison] = useState(() => comparisonFromParams(params));
  const { text, variants, isParallel, isEqualized, isBlind } = comparison;
  const { takes, make, stop } = useTakes();
  const making = isMaking(takes);
  const known = useEngines(making);
  const gains = isEqualized ? equalGains(takes.map(({ speech }) => speech.rms)) : takes.map(() => 1);
  const playback = usePlayback(takes, gains);
  const done = takes.filter(({ state }) => state === 'done').length;
  const canTest = !making && done >= 2;
  const [order, setOrder] = useState(/** @type {number[]} */ ([]));

  const set = (/** @type {Partial<Comparison>} */ change) => setComparison((old) => ({ ...old, ...change }));
  const setVariant = (/** @type {number} */ index, /** @type {Partial<Settings>} */ change) =>
    setComparison((old) => ({ ...old, variants: old.variants.map((one, at) => (at === index ? { ...one, ...change } : one)) }));
  useEffect(() => {
    const timer = setTimeout(() => onParams(comparisonToParams(comparison)), LINK_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [comparison, onParams]);

  const engineOf = (/** @type {Settings} */ variant) => known.engines.find(({ name }) => name === (variant.engine || known.defaultEngine));
  const fieldsOf = (/** @type {Settings} */ variant) => schemaFields(engineOf(variant)?.options_schema);
  const start = (/** @type {Event} */ event) => {
    event.preventDefault();
    playback.stop();
    const requests = variants.map((variant) => ({ variant, body: speechRequest({ ...variant, text }, fieldsOf(variant)) }));
    make(requests, isParallel).then(known.refresh);
  };
  const stopAll = () => {
    stop();
    playback.pause();
  };
  const keys = useRef((/** @type {KeyboardEvent} */ _event) => undefined);
  keys.current = (event) => {
    if (document.querySelector('dialog[open]')) return;
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.repeat) start(event);
    else if (event.key === 'Escape') stopAll();
    else if (!(event.target instanceof Element && event.target.matches('input, textarea, select'))) {
      const index = isBlind ? order[Number(event.key) - 1] : Number(event.key) - 1;
      if (takes[index]?.state === 'done') playback.listen(index);
    }
  };
  useEffect(() => {
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => keys.current(event);
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);

  const faultOf = (/** @type {import('./take.js').Take} */ { error, variant }) =>
    error instanceof ApiError ? fieldAtFault(error.param, ['text', ...shownFields(engineOf(variant), fieldsOf(variant))]) : null;
  const faults = takes.map(faultOf);
  const textError = takes[faults.indexOf('text')]?.error;
  const others = takes.flatMap(({ error }, index) => (error && !faults[index] ? [`${index + 1}: ${errorText(error, t)}`] : []));
  if (known.error) others.push(errorText(known.error, t));
  const check = (/** @type {'isParallel' | 'isEqualized' | 'isBlind'} */ name) => html`<label class="check">
    <input type="checkbox" checked=${comparison[name]} onChange=${(/** @type {any} */ event) => set({ [name]: event.target.checked })} />
    ${t(`compare.${name}`)}
  </label>`;
  return html`<form class="compare" onSubmit=${start} noValidate>
    <section aria-label=${t('view.compare')}>
      <${Field} name="text" label=${t('text')} hint=${t('text.count', { count: [...text].length })} error=${textError?.message}>
        ${(/** @type {any} */ attributes) => html`<textarea
          ...${attributes}
          rows="3"
          value=${text}
          placeholder=${t('text.placeholder')}
          onInput=${(/** @type {any} */ event) => set({ text: event.target.value })}
        ></textarea>`}
      <//>
      <div class="buttons">
        <button class="primary" title="Ctrl+Enter" disabled=${making}>${t('compare.make')}</button>
        <button type="button" title="Esc" disabled=${!making && playback.playing === null} onClick=${stopAll}>${t('stop')}</button>
      </div>
      ${check('isParallel')} ${check('isEqualized')} ${check('isBlind')}
      <p class="status" role="status" data-state=${making ? 'making' : takes.length ? 'done' : 'idle'}>
        ${takes.length > 0 && t('compare.made', { done, total: takes.length })}
      </p>
      ${making && html`<progress aria-label=${t('compare.make')} value=${done} max=${takes.length}></progress>`}
      <div role="alert">${others.map((one) => html`<p class="error">${one}</p>`)}</div>
      ${done > 0 && html`<${PositionSlider} playback=${playback} />`}
      ${!isBlind && takes.length > 0 && html`<${TakeCards} takes=${takes} playback=${playback} />`}
      ${isBlind && (canTest ? html`<${BlindTest} takes=${takes} playback=${playback} onOrder=${setOrder} />` : html`<p class="hint">${t('compare.make_first')}</p>`)}
    </section>
    <div class="variants">
      ${variants.map((variant, index) => html`<${VariantFields}
        key=${index}
        number=${index + 1}
        variant=${variant}
        set=${(/** @type {Partial<Settings>} */ change) => setVariant(index, change)}
        known=${known}
        engine=${engineOf(variant)}
        fields=${fieldsOf(variant)}
        error=${takes[index]?.variant === variant ? takes[index].error : null}
        atFault=${faults[index] ?? null}
        onRemove=${variants.length > MIN_VARIANTS ? () => set({ variants: variants.filter((_, at) => at !== index) }) : null}
      />`)}
    </div>
    ${variants.length < MAX_VARIANTS &&
    html`<div class="buttons">
      <button type="button" onClick=${() => set({ variants: [...variants, variants.at(-1) ?? DEFAULTS] })}>${t('compare.add')}</button>
    </div>`}
  </form>`;
}
