/** What happened when, from the request to the end of playback. */

/** @typedef {{name: string, startS: number, endS: number}} Phase */

/**
 * @param {{queueS: number, firstAudioS: number | null, totalS: number | null, durationS: number}} times since the request
 * @returns {Phase[]}
 */
export function phases({ queueS, firstAudioS, totalS, durationS }) {
  const first = firstAudioS ?? queueS;
  return [
    { name: 'queue', startS: 0, endS: queueS },
    { name: 'first_audio', startS: queueS, endS: first },
    { name: 'total', startS: queueS, endS: totalS ?? first },
    { name: 'playback', startS: first, endS: first + durationS },
  ];
}

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600];

/**
 * Times for an axis: round, and at most `count` of them.
 * @param {number} durationS
 * @param {number} count
 */
export function ticks(durationS, count) {
  const stepS = STEPS_S.find((step) => durationS / step < count) ?? durationS;
  return Array.from({ length: Math.floor(durationS / stepS) + 1 }, (_, index) => index * stepS);
}
