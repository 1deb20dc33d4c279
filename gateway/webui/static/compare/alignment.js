/**
 * The same position in two takes of one text: as far, in proportion, between the beginning and the end of the speech.
 * Shares below 0 and above 1 are in the silence at the ends.
 */

/** @typedef {{startS: number, endS: number}} Span of the speech in a take */

/**
 * @param {number} positionS
 * @param {Span} span
 */
export function shareAt(positionS, { startS, endS }) {
  return endS > startS ? (positionS - startS) / (endS - startS) : 0;
}

/**
 * @param {number} share
 * @param {Span} span
 * @param {number} durationS
 */
export function positionAt(share, { startS, endS }, durationS) {
  return Math.min(durationS, Math.max(0, startS + share * (endS - startS)));
}
