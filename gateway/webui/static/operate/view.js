/** Operate: the engines, and charts of `/metrics`. */
import { Field } from '../components/field.js';
import { Select } from '../components/select.js';
import { useApp } from '../lib/context.js';
import { errorText } from '../lib/error_text.js';
import { html, useEffect, useState } from '../lib/dom.js';
import { Chart } from './chart.js';
import { CHARTS } from './charts.js';
import { EngineCard } from './engine_card.js';
import { useMetrics } from './use_metrics.js';
import { useOperation } from './use_operation.js';

const EVERY_S = ['1', '2', '5', '10', '0'];
const DEFAULT_S = '2';

/** @param {import('../views.js').ViewProps} props */
export function OperateView({ params, onParams }) {
  const { t } = useApp();
  const [everyS, setEveryS] = useState(EVERY_S.find((every) => every === params.get('every')) ?? DEFAULT_S);
  const { engines, error, failures, change } = useOperation(Number(everyS) * 1000);
  const { histories, error: metricsError } = useMetrics(Number(everyS) * 1000);
  useEffect(() => onParams(new URLSearchParams(everyS === DEFAULT_S ? {} : { every: everyS })), [everyS, onParams]);
  /** @type {[string, string][]} */
  const options = EVERY_S.map((every) => [every, every === '0' ? t('operate.never') : `${every} s`]);
  return html`<div class="operate">
    <${Field} name="every" label=${t('operate.every')}>
      ${(/** @type {any} */ attributes) =>
        html`<${Select} attributes=${attributes} value=${everyS} options=${options} onChange=${setEveryS} />`}
    <//>
    <div role="alert">${error && html`<p class="error">${errorText(error, t)}</p>`}</div>
    <div class="cards">
      ${engines.map((engine) => html`<${EngineCard} key=${engine.name} engine=${engine} failure=${failures[engine.name] ?? null} change=${change} />`)}
    </div>
    <section aria-label=${t('operate.charts')}>
      <div role="alert">${metricsError && html`<p class="error">GET /metrics: ${errorText(metricsError, t)}</p>`}</div>
      <div class="charts">
        ${CHARTS.map(({ id, unit }) => html`<${Chart} key=${id} id=${id} unit=${unit} history=${histories[id]} />`)}
      </div>
    </section>
  </div>`;
}
