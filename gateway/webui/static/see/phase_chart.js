/** A small chart of the times of a request. */
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { delay } from '../lib/numbers.js';

/** @param {{phases: import('./phases.js').Phase[]}} props */
export function PhaseChart({ phases }) {
  const { t } = useApp();
  const endS = Math.max(...phases.map((phase) => phase.endS));
  const percent = (/** @type {number} */ seconds) => `${endS ? (100 * seconds) / endS : 0}%`;
  return html`<dl class="phases" data-chart="phases">
    ${phases.map(
      ({ name, startS, endS: end }) => html`<div>
        <dt>${t(name)}</dt>
        <dd>
          <svg aria-hidden="true"><rect x=${percent(startS)} width=${percent(end - startS)} height="100%" /></svg>
          ${delay(end - startS)}
        </dd>
      </div>`,
    )}
  </dl>`;
}
