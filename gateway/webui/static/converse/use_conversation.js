/** The current live session, and a text that is sent to it piece by piece. */
import { useApp } from '../lib/context.js';
import { useEffect, useRef, useState } from '../lib/dom.js';
import { divide, Pacer } from './pacing.js';
import { IDLE, Session } from './session.js';

const TICK_MS = 50;

/** @typedef {{sent: number, total: number}} Sending */

/**
 * @param {() => Record<string, unknown>} startFields fields of the next session's start message
 * @param {number | undefined} expectedRateHz
 */
export function useConversation(startFields, expectedRateHz) {
  const { api } = useApp();
  const [conversation, setConversation] = useState(IDLE);
  const [sending, setSending] = useState(/** @type {Sending | null} */ (null));
  const session = useRef(/** @type {Session | null} */ (null));
  const timer = useRef(0);

  const stopSending = () => {
    clearInterval(timer.current);
    setSending(null);
  };
  const close = () => {
    stopSending();
    session.current?.close();
    session.current = null;
    setConversation(IDLE);
  };
  useEffect(() => close, []);

  /** The session that takes text; a new one if the last one has ended. */
  const ensure = () => {
    if (session.current?.takesText) return session.current;
    close();
    api.askAgain();
    session.current = new Session(api, startFields(), expectedRateHz, setConversation);
    setConversation(session.current.state);
    return session.current;
  };

  /**
   * Send a text in pieces, then flush.
   * @param {string} text
   * @param {import('./pacing.js').Unit} unit
   * @param {() => number} perS pieces per second, which may change
   */
  const stream = (text, unit, perS) => {
    stopSending();
    const target = ensure();
    const pacer = new Pacer(divide(text, unit));
    let last = performance.now();
    timer.current = setInterval(() => {
      const now = performance.now();
      if (target.takesText) target.text(pacer.advance((now - last) / 1000, perS()));
      last = now;
      setSending({ sent: pacer.sent, total: pacer.total });
      if (!pacer.isDone && target.takesText) return;
      stopSending();
      if (target.takesText) target.flush();
    }, TICK_MS);
    setSending({ sent: 0, total: pacer.total });
  };

  const interrupt = () => {
    stopSending();
    session.current?.interrupt();
  };
  const end = () => {
    stopSending();
    session.current?.end();
  };
  return { conversation, sending, ensure, stream, interrupt, end, close };
}
