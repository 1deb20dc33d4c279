/** The tally of each pair of settings. */
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { signTest, trialsOf } from './tally.js';

/** @param {{tally: import('./tally.js').Tally, keys: string[], names: string[], onReset: () => void}} props */
export function TallyTable({ tally, keys, names, onReset }) {
  const { t } = useApp();
  const rows = keys.flatMap((one, first) =>
    keys.slice(first + 1).map((other, at) => ({ first, second: first + 1 + at, counts: tally.counts(one, other) })),
  );
  const tried = rows.filter(({ counts }) => trialsOf(counts));
  if (!tried.length) return null;
  return html`<div>
    <table class="tally">
      <caption>${t('compare.tally')}</caption>
      <thead>
        <tr><th scope="col">${t('compare.better')}</th><th scope="col">${t('compare.trials')}</th></tr>
      </thead>
      ${tried.map(({ first, second, counts }) => html`<tbody key="${first} ${second}">
        <tr><th scope="row">${first + 1}: ${names[first]}</th><td data-count="first">${counts.first}</td></tr>
        <tr><th scope="row">${second + 1}: ${names[second]}</th><td data-count="second">${counts.second}</td></tr>
        <tr><th scope="row">${t('compare.choice.none')}</th><td data-count="none">${counts.none}</td></tr>
        <tr><th scope="row">${t('compare.p')}</th><td data-count="p">${signTest(counts.first, counts.second).toPrecision(2)}</td></tr>
      </tbody>`)}
    </table>
    <p class="hint">${t('compare.p.about')}</p>
    <button type="button" class="small" onClick=${onReset}>${t('compare.reset')}</button>
  </div>`;
}
