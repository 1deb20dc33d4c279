/** The last values of a chart's lines, as uPlot takes them. */

export const MAX_POINTS = 300;

/**
 * @typedef {object} History
 * @property {number[]} times in seconds
 * @property {Record<string, (number | null)[]>} lines values by name, one per time
 */

/** @returns {History} */
export const emptyHistory = () => ({ times: [], lines: {} });

/**
 * Add one point to every line. A line that is new has no value before; one that is missing has none now.
 * @param {History} history
 * @param {number} timeS
 * @param {Record<string, number | null>} values
 * @returns {History}
 */
export function extended({ times, lines }, timeS, values) {
  const names = new Set([...Object.keys(lines), ...Object.keys(values)]);
  const none = times.map(() => null);
  return {
    times: [...times, timeS].slice(-MAX_POINTS),
    lines: Object.fromEntries(
      [...names].map((name) => [name, [...(lines[name] ?? none), values[name] ?? null].slice(-MAX_POINTS)]),
    ),
  };
}
