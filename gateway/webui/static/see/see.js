/** What is heard, made visible: text, spectrogram, times, and what the engine was asked to trace. */
import { useApp } from '../lib/context.js';
import { html, useMemo } from '../lib/dom.js';
import { clock } from '../lib/numbers.js';
import { codesImage } from './images.js';
import { MelSteps } from './mel_steps.js';
import { PhaseChart } from './phase_chart.js';
import { phases, ticks } from './phases.js';
import { Picture } from './picture.js';
import { segmentAt } from './segments.js';
import { SpokenText } from './spoken_text.js';
import { useSpectrogram } from './use_spectrogram.js';

const TICKS = 8;

/** @param {{speech: import('../speak/use_speech.js').Speech}} props */
export function See({ speech }) {
  const { t } = useApp();
  const { segments, traces, durationS, positionS } = speech;
  const segment = segmentAt(segments, positionS);
  const spectrogram = useSpectrogram(speech.chunks, speech.chunks.length, speech.rateHz);
  const codes = useMemo(
    () => codesImage(traces.codes, segments, durationS),
    [traces.codes, traces.count, segments, durationS],
  );
  const mel = traces.mels.find(({ start }) => start === segment?.start) ?? traces.mels[0];
  const fraction = durationS ? positionS / durationS : 0;
  return html`<div class="see">
    <${SpokenText} text=${speech.text} segment=${segment} />
    ${spectrogram && html`<${Picture} name="spectrogram" image=${spectrogram} fraction=${fraction} label=${t('see.spectrogram')} />`}
    ${durationS > 0 &&
    html`<svg class="axis" aria-hidden="true">
      ${ticks(durationS, TICKS).map((atS) => html`<text x="${(100 * atS) / durationS}%" y="1em">${clock(atS)}</text>`)}
    </svg>`}
    ${codes &&
    html`<h2>${t('see.codes')}</h2>
      <${Picture} name="codes" image=${codes} fraction=${fraction} label=${t('see.codes')} />`}
    ${mel &&
    html`<h2>${t('see.mel')}</h2>
      <${MelSteps} key="${mel.start} ${mel.end}" mel=${mel} count=${mel.parts.length} fraction=${spanFraction(speech, mel)} />`}
    <h2>${t('see.timeline')}</h2>
    <${PhaseChart} phases=${phases(speech)} />
  </div>`;
}

/**
 * Place of the play head within a part of the text; outside of 0 to 1 if another part is heard.
 * @param {import('../speak/use_speech.js').Speech} speech
 * @param {{start: number, end: number, rate: number, parts: {columns: number}[]}} mel
 */
function spanFraction({ segments, positionS }, { start, end, rate, parts }) {
  const segment = segments.find((one) => one.start === start && one.end === end);
  return segment ? ((positionS - segment.at_ms / 1000) * rate) / parts[0].columns : -1;
}
