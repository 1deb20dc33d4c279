/**
 * What has become of the text of a live session. Positions are code points since its start; times are milliseconds of
 * audio since the start of the turn, which begins at the session's start and after each interruption.
 */

/** @typedef {'spoken' | 'speaking' | 'waiting' | 'dropped' | 'refused'} SpanState */
/** @typedef {{start: number, end: number, state: SpanState, error?: string}} Span */
/** @typedef {{start: number, end: number, atMs: number, durationMs: number | null, error?: string}} Segment */

/**
 * @typedef {object} Transcript
 * @property {string} text
 * @property {number} length of the text in code points
 * @property {Span[]} past spans of earlier turns
 * @property {number} turnStart
 * @property {Segment[]} segments of this turn, in order; durationMs: null while their audio arrives
 * @property {number} flushedTo everything before has been sent
 * @property {number | null} failedAt nothing after it will be spoken
 */

/** Positions of audio are rounded. */
const TOLERANCE_MS = 1;

/** @type {Transcript} */
export const EMPTY = { text: '', length: 0, past: [], turnStart: 0, segments: [], flushedTo: 0, failedAt: null };

/**
 * @param {Transcript} transcript
 * @param {string} text appended
 * @returns {Transcript}
 */
export function withText(transcript, text) {
  return { ...transcript, text: transcript.text + text, length: transcript.length + [...text].length };
}

/**
 * @param {Transcript} transcript
 * @param {Record<string, any>} message of the gateway
 * @returns {Transcript}
 */
export function withMessage(transcript, message) {
  const { start, end } = message;
  switch (message.type) {
    case 'segment':
      return withSegment(transcript, { start, end, atMs: message.at_ms, durationMs: null });
    case 'segment_refused':
      return withSegment(transcript, { start, end, atMs: 0, durationMs: 0, error: message.error.message });
    case 'segment_done': {
      const isDone = (/** @type {Segment} */ segment) => segment.start === start && segment.end === end;
      const done = (/** @type {Segment} */ segment) => ({ ...segment, durationMs: message.duration_ms });
      return { ...transcript, segments: transcript.segments.map((one) => (isDone(one) ? done(one) : one)) };
    }
    case 'flushed':
      return { ...transcript, flushedTo: message.position };
    case 'interrupted':
      return interrupted(transcript, message.position, message.next);
    default:
      return transcript;
  }
}

/**
 * @param {Transcript} transcript
 * @param {Segment} segment
 */
function withSegment(transcript, segment) {
  return { ...transcript, segments: [...transcript.segments, segment] };
}

/**
 * End the turn.
 * @param {Transcript} transcript
 * @param {number} position end of the spoken text
 * @param {number} next start of the next turn; the text between is dropped
 * @returns {Transcript}
 */
export function interrupted(transcript, position, next) {
  const spans = new Spans(transcript.turnStart, transcript.past);
  const settleTo = (/** @type {number} */ end) => {
    spans.addTo(Math.min(end, position), 'spoken');
    spans.addTo(end, 'dropped');
  };
  for (const { start, end, error } of transcript.segments) {
    if (error === undefined) continue;
    settleTo(start);
    spans.addTo(end, 'refused', error);
  }
  settleTo(next);
  return { ...transcript, past: spans.all, turnStart: next, segments: [], flushedTo: next };
}

/**
 * End the session early: audio that was received is still played.
 * @param {Transcript} transcript
 * @param {number | null} position that the received audio reaches; null: not known
 * @param {number} receivedMs audio received in this turn
 * @returns {Transcript}
 */
export function failed(transcript, position, receivedMs) {
  const complete = transcript.segments.filter((segment) => segment.durationMs !== null);
  const segments = transcript.segments.map((one) => ({ ...one, durationMs: one.durationMs ?? receivedMs - one.atMs }));
  return { ...transcript, segments, failedAt: position ?? complete.at(-1)?.end ?? transcript.turnStart };
}

/**
 * The position in the text that playback has reached, for a session that can no longer be asked.
 * @param {Transcript} transcript
 * @param {number} playedMs
 */
export function positionAt(transcript, playedMs) {
  let position = transcript.turnStart;
  for (const { start, end, atMs, durationMs, error } of transcript.segments) {
    if (error !== undefined || playedMs <= atMs) continue;
    const share = durationMs ? Math.min(1, (playedMs - atMs) / durationMs) : 1;
    position = start + Math.floor(share * (end - start));
  }
  return position;
}

/**
 * @param {Transcript} transcript
 * @param {number} playedMs
 * @returns {Span[]} that cover the text
 */
export function spansOf(transcript, playedMs) {
  const { failedAt, length } = transcript;
  const spans = new Spans(transcript.turnStart, transcript.past);
  const add = (/** @type {number} */ end, /** @type {SpanState} */ state, /** @type {string} */ error = '') => {
    if (failedAt === null || state === 'refused') spans.addTo(end, state, error || undefined);
    else {
      spans.addTo(Math.min(end, failedAt), state);
      spans.addTo(end, 'dropped');
    }
  };
  let state = /** @type {SpanState} */ ('spoken');
  for (const segment of transcript.segments) {
    state = stateOf(segment, playedMs);
    add(segment.start, state === 'refused' ? 'spoken' : state); // a gap between segments has nothing to speak
    add(segment.end, state, segment.error);
  }
  add(transcript.flushedTo, state === 'refused' ? 'spoken' : state);
  add(length, 'waiting');
  return spans.all;
}

/**
 * @param {Segment} segment
 * @param {number} playedMs
 * @returns {SpanState}
 */
function stateOf({ atMs, durationMs, error }, playedMs) {
  if (error !== undefined) return 'refused';
  if (durationMs !== null && playedMs >= atMs + durationMs - TOLERANCE_MS) return 'spoken';
  return playedMs > atMs ? 'speaking' : 'waiting';
}

/** Adjacent spans; neighbors in the same state are joined. */
class Spans {
  /**
   * @param {number} start
   * @param {Span[]} before
   */
  constructor(start, before) {
    this.all = [...before];
    this._at = start;
  }

  /**
   * @param {number} end
   * @param {SpanState} state
   * @param {string} [error]
   */
  addTo(end, state, error) {
    if (end <= this._at) return;
    const last = this.all.at(-1);
    if (last && last.state === state && last.error === error) this.all[this.all.length - 1] = { ...last, end };
    else this.all.push({ start: this._at, end, state, ...(error !== undefined && { error }) });
    this._at = end;
  }
}
