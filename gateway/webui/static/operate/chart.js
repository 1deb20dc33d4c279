/** A line chart of a history, with the latest values as text. */
import { useApp } from '../lib/context.js';
import { html, useEffect, useRef } from '../lib/dom.js';
import { loadUplot } from './load_uplot.js';

const HEIGHT_PX = 160;
const COLORS = 6; // --line-0 to --line-5 in style.css

/**
 * @typedef {object} ChartProps
 * @property {string} id
 * @property {string} unit
 * @property {import('./history.js').History} history
 */

/** @param {ChartProps} props */
export function Chart({ id, unit, history }) {
  const { t, language } = useApp();
  const holder = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {import('../vendor/uplot.js').default | null} */ (null));
  const { times, lines } = history;
  const names = Object.keys(lines);
  const data = /** @type {import('../vendor/uplot.js').default.AlignedData} */ ([times, ...Object.values(lines)]);
  const latest = useRef(data);
  latest.current = data;

  // A further line needs a new plot; further points do not.
  useEffect(() => {
    let isCurrent = true;
    const observer = new ResizeObserver(([{ contentRect }]) => plot.current?.setSize({ width: contentRect.width, height: HEIGHT_PX }));
    loadUplot().then((Plot) => {
      const { current } = holder;
      if (!isCurrent || !current) return;
      plot.current = new Plot(optionsOf(current, names, language), latest.current, current);
      observer.observe(current);
    });
    return () => {
      isCurrent = false;
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [names.join('\n'), language]);
  useEffect(() => plot.current?.setData(latest.current), [history]);

  return html`<figure data-chart=${id} data-points=${times.length}>
    <figcaption>${t(`operate.chart.${id}`)}${unit && ` (${unit})`}</figcaption>
    <div class="plot" ref=${holder} role="img" aria-label=${t(`operate.chart.${id}`)}></div>
    <ul class="legend">
      ${names.map(
        (name, index) => html`<li class="line-${index % COLORS}">${name} <b>${valueText(lines[name].at(-1) ?? null)}</b></li>`,
      )}
    </ul>
  </figure>`;
}

/** @param {number | null} value */
function valueText(value) {
  if (value === null) return '–';
  return String(Number(value.toPrecision(3)));
}

/**
 * @param {HTMLElement} holder
 * @param {string[]} names
 * @param {string} language
 * @returns {import('../vendor/uplot.js').default.Options}
 */
function optionsOf(holder, names, language) {
  // Read whenever it is drawn, so that the chart follows the color scheme.
  const color = (/** @type {string} */ name) => () => getComputedStyle(holder).getPropertyValue(name);
  const axis = { stroke: color('--quiet'), grid: { stroke: color('--line') }, ticks: { stroke: color('--line') } };
  const clock = (/** @type {number} */ timeS) => new Date(timeS * 1000).toLocaleTimeString(language, { hour12: false });
  return {
    width: holder.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [{ ...axis, space: 80, values: (_, times) => times.map(clock) }, { ...axis, size: 56 }],
    series: [{}, ...names.map((name, index) => ({ label: name, stroke: color(`--line-${index % COLORS}`), width: 1.5 }))],
  };
}
