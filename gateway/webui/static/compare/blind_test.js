/** Blind trials: two takes whose names are hidden until one is chosen, and the tally over all trials. */
import { useApp } from '../lib/context.js';
import { html, useEffect, useMemo, useState } from '../lib/dom.js';
import { variantKey, variantLabel } from './settings.js';
import { Tally, trialsOf } from './tally.js';
import { TallyTable } from './tally_table.js';
import { drawTrial, outcomeOf } from './trial.js';

/** @typedef {'a' | 'b' | 'none'} Choice */

/**
 * @typedef {object} Trial
 * @property {[a: number, b: number]} order
 * @property {Choice | null} choice
 */

/**
 * @param {object} props
 * @param {import('./take.js').Take[]} props.takes two or more are done
 * @param {import('./use_playback.js').Playback} props.playback
 * @param {(order: number[]) => void} props.onOrder says which takes are A and B
 */
export function BlindTest({ takes, playback, onOrder }) {
  const { t } = useApp();
  const [tally] = useState(() => new Tally(sessionStorage));
  const [, setRecorded] = useState(0); // to show the tally again
  const keys = takes.map(({ variant }) => variantKey(variant));
  const draw = () => {
    const done = takes.flatMap(({ state }, index) => (state === 'done' ? [index] : []));
    return drawTrial(done, (first, second) => trialsOf(tally.counts(keys[first], keys[second])));
  };
  const [trial, setTrial] = useState(/** @returns {Trial} */ () => ({ order: draw(), choice: null }));
  const [heard, setHeard] = useState(/** @type {number[]} */ ([]));
  const { order, choice } = trial;
  useEffect(playback.stop, []); // what is playing would reveal a name
  useEffect(() => onOrder(order), [order]);
  useEffect(() => {
    if (playback.playing !== null) setHeard((old) => [...old, /** @type {number} */ (playback.playing)]);
  }, [playback.playing]);

  const choose = (/** @type {Choice} */ chosen) => {
    const [first, second] = [...order].sort();
    tally.record(keys[first], keys[second], outcomeOf(order, chosen));
    setTrial({ order, choice: chosen });
  };
  const next = () => {
    playback.stop();
    setHeard([]);
    setTrial({ order: draw(), choice: null });
  };
  const reset = () => {
    tally.reset();
    setRecorded((old) => old + 1);
  };

  const names = useMemo(() => takes.map(({ variant, engine, voice }) => variantLabel(variant, engine, voice)), [takes]);
  const canChoose = choice === null && order.every((index) => heard.includes(index));
  return html`<div class="blind">
    <div class="buttons" role="group" aria-label=${t('compare.trial')}>
      ${order.map((index, at) => html`<button type="button" aria-pressed=${playback.playing === index} title=${String(at + 1)} onClick=${() => playback.listen(index)}>
        ${t('compare.listen', { name: 'AB'[at] })}
      </button>`)}
    </div>
    <div class="buttons" role="group" aria-label=${t('compare.question')}>
      ${/** @type {Choice[]} */ (['a', 'none', 'b']).map((one) => html`<button type="button" aria-pressed=${choice === one} disabled=${!canChoose} onClick=${() => choose(one)}>
        ${t(`compare.choice.${one}`)}
      </button>`)}
      <button type="button" class="primary" disabled=${choice === null} onClick=${next}>${t('compare.next')}</button>
    </div>
    <div role="status" class="reveal">
      ${choice === null
        ? html`<p class="hint">${t(canChoose ? 'compare.question' : 'compare.hear_both')}</p>`
        : order.map((index, at) => html`<p><strong>${'AB'[at]}</strong> ${t('compare.was', { number: index + 1, name: names[index] })}</p>`)}
    </div>
    <${TallyTable} tally=${tally} keys=${keys} names=${names} onReset=${reset} />
  </div>`;
}
