/** The takes with their figures, to listen to in turn. */
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { delay } from '../lib/numbers.js';
import { variantLabel } from './settings.js';

/** @typedef {import('./take.js').Take} Take */

/** @param {{takes: Take[], playback: import('./use_playback.js').Playback}} props */
export function TakeCards({ takes, playback }) {
  const { t } = useApp();
  return html`<div class="takes">
    ${takes.map((take, index) => html`<div class="take" role="group" aria-label=${t('compare.take', { number: index + 1 })} key=${index}>
      <button
        type="button"
        aria-pressed=${playback.playing === index}
        disabled=${take.state !== 'done'}
        title=${String(index + 1)}
        onClick=${() => playback.listen(index)}
      >
        ${t('compare.listen', { name: index + 1 })}
      </button>
      <p class="hint" data-state=${take.state}>
        ${take.state === 'done' ? variantLabel(take.variant, take.engine, take.voice) : t(`compare.state.${take.state}`)}
      </p>
      ${take.state === 'done' && html`<${Figures} take=${take} />`}
    </div>`)}
  </div>`;
}

/** @param {{take: Take}} props */
function Figures({ take }) {
  const { t } = useApp();
  const totalS = take.totalS ?? 0;
  const figures = [
    ['first_audio', delay(take.firstAudioS ?? totalS)],
    ['total', delay(totalS)],
    ['rtf', (totalS / take.durationS).toPrecision(2)],
    ['duration', `${take.durationS.toFixed(2)} s`],
  ];
  return html`<dl>
    ${figures.map(([name, value]) => html`<div><dt title=${t(`${name}.title`)}>${t(name)}</dt><dd data-figure=${name}>${value}</dd></div>`)}
  </dl>`;
}
