/** A button that plays a voice, and stops it. */
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { errorText } from '../lib/error_text.js';

/**
 * @typedef {object} AuditionButtonProps
 * @property {string} name of the voice
 * @property {import('./use_audition.js').Audition} audition of this voice
 * @property {() => void} play
 * @property {() => void} stop
 */

/** @param {AuditionButtonProps} props */
export function AuditionButton({ name, audition, play, stop }) {
  const { t } = useApp();
  const isActive = audition.state === 'waiting' || audition.state === 'playing';
  const label = isActive ? `■ ${t(`audition.${audition.state}`)}` : `▶ ${t('audition.play')}`;
  return html`<button
      type="button"
      class="small"
      aria-label="${label} ${name}"
      data-audition=${audition.state}
      onClick=${isActive ? stop : play}
    >
      ${label}
    </button>
    ${audition.error && html`<p class="error" role="alert">${errorText(audition.error, t)}</p>`}`;
}
