/** What is going on, announced to screen readers, and errors that no field is at fault for. */
import { ApiError } from '../lib/api.js';
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';

/**
 * @param {{speech: import('./use_speech.js').Speech, engine: import('./use_engines.js').Engine | undefined, error: Error | null}} props
 */
export function Status({ speech, engine, error }) {
  const { t } = useApp();
  const isLoading = speech.state === 'waiting' && engine && engine.state !== 'ready';
  const text = isLoading ? progressText(engine, t) : t(`speech.${speech.state}`);
  const total = engine?.progress?.total;
  return html`<div>
    <p class="status" role="status" data-state=${speech.state}>${text}</p>
    ${isLoading && html`<progress aria-label=${text} value=${total ? engine.progress?.done : undefined} max=${total ?? 1}></progress>`}
    <div role="alert">${error && html`<p class="error">${messageOf(error, t)}</p>`}</div>
  </div>`;
}

/**
 * @param {import('./use_engines.js').Engine} engine
 * @param {import('../lib/i18n.js').Translate} t
 */
export function progressText({ name, progress }, t) {
  if (!progress) return t('engine.loading', { name });
  const share = progress.total ? ` ${Math.floor((100 * progress.done) / progress.total)} %` : '';
  return `${t('engine.loading', { name })}: ${progress.stage}${share}`;
}

/**
 * The API's words; for a failed connection, ours.
 * @param {Error} error
 * @param {import('../lib/i18n.js').Translate} t
 */
function messageOf(error, t) {
  if (error instanceof ApiError) return `${error.message}${error.requestId && ` (${error.requestId})`}`;
  return error instanceof TypeError ? t('error.connection') : error.message;
}
