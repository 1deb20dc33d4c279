/** Numbers as text. */

/**
 * Minutes, seconds and tenths, such as 1:05.3.
 * @param {number} seconds
 */
export function clock(seconds) {
  const tenths = Math.floor(seconds * 10 + 1e-6);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, '0')}.${tenths % 10}`;
}

/**
 * Milliseconds below a second, else seconds.
 * @param {number} seconds
 */
export function delay(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`;
}
