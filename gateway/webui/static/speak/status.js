/** What is going on, announced to screen readers, and errors that no field is at fault for. */
import { errorText } from '../lib/error_text.js';
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { progressText } from '../request/progress.js';

/**
 * @param {{speech: import('./use_speech.js').Speech, engine: import('../request/use_engines.js').Engine | undefined, error: Error | null}} props
 */
export function Status({ speech, engine, error }) {
  const { t } = useApp();
  const isLoading = speech.state === 'waiting' && engine && engine.state !== 'ready';
  const text = isLoading ? progressText(engine, t) : t(`speech.${speech.state}`);
  const total = engine?.progress?.total;
  return html`<div>
    <p class="status" role="status" data-state=${speech.state}>${text}</p>
    ${isLoading && html`<progress aria-label=${text} value=${total ? engine.progress?.done : undefined} max=${total ?? 1}></progress>`}
    <div role="alert">${error && html`<p class="error">${errorText(error, t)}</p>`}</div>
  </div>`;
}
