/** What the session is doing, announced to screen readers, with its figures and errors that no field is at fault for. */
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { errorText } from '../lib/error_text.js';
import { delay } from '../lib/numbers.js';
import { progressText } from '../request/progress.js';
import { HandshakeError } from './live_socket.js';
import { isPlaying } from './session.js';

/** @typedef {import('./session.js').Conversation} Conversation */

/**
 * @param {object} props
 * @param {Conversation} props.conversation
 * @param {import('./use_conversation.js').Sending | null} props.sending
 * @param {import('../request/use_engines.js').Engine | undefined} props.engine
 * @param {Error | null} props.error
 */
export function Status({ conversation, sending, engine, error }) {
  const { t } = useApp();
  const { started, finished, firstAudioS } = conversation;
  const state = stateOf(conversation);
  const isLoading = state === 'connecting' && engine && engine.state !== 'ready';
  const figures = [
    ['converse.first_audio', firstAudioS === null ? '–' : delay(firstAudioS)],
    ['seed', String(started.seed)],
    ...(finished ? [['converse.segments', String(finished.segments)], ['duration', delay(finished.duration_ms / 1000)]] : []),
  ];
  return html`<div>
    <p class="status" role="status" data-state=${state}>${isLoading ? progressText(engine, t) : t(`converse.state.${state}`)}</p>
    ${sending && html`<progress aria-label=${t('converse.sending')} value=${sending.sent} max=${sending.total || 1}></progress>`}
    <div role="alert">
      ${error && html`<p class="error">${error instanceof HandshakeError ? t('converse.handshake') : errorText(error, t)}</p>`}
    </div>
    ${started.seed !== undefined &&
    html`<dl>
      ${figures.map(([name, value]) => html`<div><dt title=${t(`${name}.title`)}>${t(name)}</dt><dd data-figure=${name}>${value}</dd></div>`)}
    </dl>`}
  </div>`;
}

/** @param {Conversation} conversation */
function stateOf(conversation) {
  const { phase, isInterrupting } = conversation;
  if (isInterrupting) return 'interrupting';
  if (phase === 'failed') return phase;
  if (isPlaying(conversation)) return 'speaking';
  return phase === 'finished' && conversation.finished?.reason === 'shutdown' ? 'shutdown' : phase;
}
