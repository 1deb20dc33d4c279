/** One engine: its state and figures, and buttons that load and unload it. */
import { useApp } from '../lib/context.js';
import { errorText } from '../lib/error_text.js';
import { html, useId } from '../lib/dom.js';
import { delay } from '../lib/numbers.js';
import { progressText } from '../request/progress.js';

/**
 * @typedef {object} EngineCardProps
 * @property {import('./use_operation.js').EngineState} engine
 * @property {Error | null} failure of the last load or unload
 * @property {(name: string, action: 'load' | 'unload') => void} change
 */

/** @param {EngineCardProps} props */
export function EngineCard({ engine, failure, change }) {
  const { t } = useApp();
  const id = useId();
  const { name, state, queue, progress } = engine;
  const text = state === 'loading' ? progressText(engine, t) : t(`state.${state}`);
  const canLoad = state === 'unloaded' || state === 'failed';
  const canUnload = state !== 'unloaded' && state !== 'stopping';
  const button = (/** @type {'load' | 'unload'} */ action, /** @type {string} */ label, /** @type {boolean} */ isEnabled) =>
    html`<button type="button" aria-label="${label} ${name}" onClick=${() => change(name, action)} disabled=${!isEnabled}>
      ${label}
    </button>`;
  const figures = [
    ['model', engine.model ?? '–'],
    ['device', [engine.device, engine.dtype].filter(Boolean).join(', ')],
    ['queue', `${queue.waiting} / ${queue.limit}`],
    ['active_requests', queue.active],
    ['replicas', engine.replicas],
    ['restarts', engine.restarts],
    ['memory', engine.memory_bytes === null ? '–' : `${Math.round(engine.memory_bytes / 2 ** 20)} MiB`],
  ];
  return html`<section aria-labelledby=${id} data-engine=${name} data-state=${state}>
    <h2 id=${id}>${name}</h2>
    <p class="status" role="status">${text}</p>
    ${state === 'loading' &&
    html`<progress aria-label=${text} value=${progress?.total ? progress.done : undefined} max=${progress?.total ?? 1}></progress>`}
    ${state === 'stopping' && html`<progress aria-label=${text}></progress>`}
    <dl>
      ${figures.map(([key, value]) => html`<div><dt>${t(`operate.${key}`)}</dt><dd data-figure=${key}>${value}</dd></div>`)}
    </dl>
    ${engine.error &&
    html`<p class="error">
      ${engine.error} ${engine.retry_in_s !== null && t('operate.retry', { time: delay(engine.retry_in_s) })}
    </p>`}
    <div role="alert">${failure && html`<p class="error">${errorText(failure, t)}</p>`}</div>
    <div class="buttons">
      ${button('load', t('operate.load'), canLoad)}
      ${button('unload', t(state === 'loading' ? 'operate.cancel' : 'operate.unload'), canUnload)}
    </div>
  </section>`;
}
