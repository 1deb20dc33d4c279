/** What a stage made: codes or audio. */
import { wavFile } from '../audio/pcm.js';
import { HeatMap } from '../components/heat_map.js';
import { useApp } from '../lib/context.js';
import { html, useMemo } from '../lib/dom.js';
import { useObjectUrl } from '../lib/object_url.js';

/**
 * @param {{result: import('./requests.js').Codes, engine: import('../request/use_engines.js').Engine | undefined, name: string}} props
 *     name: of the file
 */
export function CodesResult({ result, engine, name }) {
  const { t } = useApp();
  const { matrix, rows, columns } = result.codes;
  const url = useObjectUrl(result.file);
  const frameS = engine?.codec && engine.sample_rate ? engine.codec.samples_per_frame / engine.sample_rate : null;
  const figures = [
    ['shape', `${rows} × ${columns}`],
    ...(frameS === null ? [] : [['duration', `${(columns * frameS).toFixed(2)} s`]]),
    ...(result.seed ? [['seed', result.seed]] : []),
  ];
  return html`<div class="result">
    <${HeatMap} matrix=${matrix} rows=${rows} columns=${columns} label=${t('stages.heat_map', { rows, columns })} />
    <${Figures} figures=${figures} />
    <p><a href=${url} download=${name}>${t('stages.download', { name })}</a></p>
  </div>`;
}

/** @param {{result: import('./requests.js').Audio}} props */
export function AudioResult({ result }) {
  const { t } = useApp();
  const { samples, rateHz } = result;
  const file = useMemo(() => wavFile([samples], rateHz), [samples, rateHz]);
  const url = useObjectUrl(file);
  const name = 'speech.wav';
  return html`<div class="result">
    ${url && html`<audio controls src=${url} aria-label=${t('stages.listen')}></audio>`}
    <${Figures} figures=${[['duration', `${(samples.length / rateHz).toFixed(2)} s`], ['rate', `${rateHz} Hz`]]} />
    <p><a href=${url} download=${name}>${t('stages.download', { name })}</a></p>
  </div>`;
}

/** @param {{figures: string[][]}} props names and values */
function Figures({ figures }) {
  const { t } = useApp();
  return html`<dl>
    ${figures.map(([name, value]) => html`<div><dt>${t(`stages.${name}`)}</dt><dd data-figure=${name}>${value}</dd></div>`)}
  </dl>`;
}
