/** The position that all takes share. */
import { useApp } from '../lib/context.js';
import { html, useId } from '../lib/dom.js';

/** @param {{playback: import('./use_playback.js').Playback}} props */
export function PositionSlider({ playback }) {
  const { t } = useApp();
  const id = useId();
  const percent = Math.round(100 * Math.min(1, Math.max(0, playback.share)));
  return html`<div class="field">
    <label for=${id}>${t('compare.position')}</label>
    <input
      id=${id}
      type="range"
      min="0"
      max="100"
      value=${percent}
      aria-valuetext="${percent} %"
      onInput=${(/** @type {any} */ event) => playback.seek(event.target.value / 100)}
    />
  </div>`;
}
