/** Which part of the text is spoken when. */

/** @typedef {import('../request/stream_speech.js').SegmentEvent} Segment */

/**
 * The segment that is heard at a time.
 * @param {Segment[]} segments in order
 * @param {number} positionS
 * @returns {Segment | null} null before the first one
 */
export function segmentAt(segments, positionS) {
  let found = null;
  for (const segment of segments) {
    if (segment.at_ms > positionS * 1000) break;
    found = segment;
  }
  return found;
}

/**
 * The text before, in and after a segment. The API counts code points, JavaScript counts UTF-16 units.
 * @param {string} text
 * @param {Segment | null} segment
 * @returns {[string, string, string]}
 */
export function splitAt(text, segment) {
  if (!segment) return ['', '', text];
  const characters = [...text];
  const part = (/** @type {number} */ start, /** @type {number | undefined} */ end) => characters.slice(start, end).join('');
  return [part(0, segment.start), part(segment.start, segment.end), part(segment.end, undefined)];
}
