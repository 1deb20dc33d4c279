/** The frame of a stage: heading, input, run and cancel, progress, errors, result. */
import { errorText } from '../lib/error_text.js';
import { useApp } from '../lib/context.js';
import { html, useId } from '../lib/dom.js';
import { delay } from '../lib/numbers.js';
import { progressText } from '../request/progress.js';

/**
 * @typedef {object} StageProps
 * @property {string} name key of its strings
 * @property {import('./use_stage.js').StageState<any>} stage
 * @property {import('../request/use_engines.js').Engine | undefined} engine
 * @property {boolean} isComplete whether all input is there
 * @property {() => void} run
 * @property {() => void} cancel
 * @property {boolean} isShown whether a field shows the error
 * @property {unknown} children the input
 * @property {unknown} result
 */

/** @param {StageProps} props */
export function Stage({ name, stage, engine, isComplete, run, cancel, isShown, children, result }) {
  const { api, t } = useApp();
  const id = useId();
  const isRunning = stage.state === 'running';
  const isLoading = isRunning && engine && engine.state !== 'ready';
  const text = isLoading ? progressText(engine, t) : t(`stages.${stage.state}`);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    api.askAgain();
    run();
  };
  return html`<section aria-labelledby=${id} data-stage=${name} data-state=${stage.state}>
    <h2 id=${id}>${t(`stages.${name}`)}</h2>
    <form class="stage" onSubmit=${submit} noValidate>
      ${children}
      <div class="buttons">
        <button class="primary" disabled=${!isComplete || isRunning}>${t('stages.run')}</button>
        <button type="button" onClick=${cancel} disabled=${!isRunning}>${t('stages.cancel')}</button>
      </div>
    </form>
    <p class="status">
      <span role="status">${text}</span>
      ${stage.state !== 'idle' && html` <span aria-hidden="true">(${delay(stage.tookS)})</span>`}
    </p>
    ${isRunning && html`<progress aria-label=${text}></progress>`}
    <div role="alert">${stage.error && !isShown && html`<p class="error">${errorText(stage.error, t)}</p>`}</div>
    ${result}
  </section>`;
}
