/** The text of the session, marked by what has become of it. */
import { useApp } from '../lib/context.js';
import { html, useMemo } from '../lib/dom.js';
import { spansOf } from './transcript.js';

const STATES = /** @type {const} */ (['spoken', 'speaking', 'waiting', 'dropped', 'refused']);
const TAGS = { spoken: 'span', speaking: 'mark', waiting: 'span', dropped: 'del', refused: 'del' };

/** @param {{conversation: import('./session.js').Conversation}} props */
export function TranscriptView({ conversation }) {
  const { t } = useApp();
  const { transcript, playedMs } = conversation;
  const characters = useMemo(() => [...transcript.text], [transcript.text]);
  if (!characters.length) return null;
  const spans = spansOf(transcript, playedMs);
  const textOf = (/** @type {{start: number, end: number}} */ { start, end }) => characters.slice(start, end).join('');
  const count = (/** @type {string} */ state) =>
    spans.reduce((sum, span) => sum + (span.state === state ? span.end - span.start : 0), 0);
  const shown = STATES.filter((state) => count(state));
  return html`<div class="transcript">
    <div class="transcript-text" role="group" aria-label=${t('converse.transcript')} tabindex="0">
      ${spans.map((span) => html`<${TAGS[span.state]} key=${span.start} data-span=${span.state}>${textOf(span)}<//>`)}
    </div>
    <ul class="legend" aria-label=${t('converse.characters_by_state')}>
      ${shown.map((state) => html`<li key=${state}><${TAGS[state]} data-span=${state}>${t(`converse.${state}`)}<//> ${count(state)}</li>`)}
    </ul>
    ${spans.some(({ error }) => error) &&
    html`<ul class="error">
      ${spans.filter(({ error }) => error).map((span) => html`<li key=${span.start}>“${textOf(span).trim()}”: ${span.error}</li>`)}
    </ul>`}
  </div>`;
}
