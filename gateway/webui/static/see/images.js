/** Arrays as images: rows of values from 0 to 255, colored. */
import { setupColorMap } from '../vendor/wavesurfer-fft.js';

/** @typedef {{width: number, height: number, values: Uint8Array}} Values row by row, from top to bottom */

/** @type {number[][]} red, green, blue and alpha from 0 to 1 */
const SHADES = setupColorMap('roseus');
const COLORS = SHADES.map((color) => color.map((part) => Math.round(255 * part)));

/**
 * @param {Values} image
 * @returns {Uint8ClampedArray<ArrayBuffer>} red, green, blue and alpha of each pixel
 */
export function pixels({ values }) {
  const colored = new Uint8ClampedArray(values.length * 4);
  values.forEach((value, index) => colored.set(COLORS[value], index * 4));
  return colored;
}

/**
 * The codes of a speech, one row per codebook, each at the time of its audio. Codes whose audio has not come yet are left out.
 * @param {import('./traces.js').Trace[]} traces
 * @param {import('./segments.js').Segment[]} segments
 * @param {number} durationS
 * @returns {Values | null} null if there are none
 */
export function codesImage(traces, segments, durationS) {
  if (!traces.length || !durationS) return null;
  const { rate, parts } = traces[0];
  const [width, height] = [Math.max(1, Math.round(durationS * rate)), parts[0].rows];
  const values = new Uint8Array(width * height);
  const largest = traces.flatMap((trace) => trace.parts).reduce((most, part) => Math.max(most, ...part.values), 1);
  for (const trace of traces) {
    const segment = segments.find(({ start, end }) => start === trace.start && end === trace.end);
    if (!segment) continue;
    const first = Math.round((segment.at_ms / 1000) * rate);
    for (const { position, columns, values: codes } of trace.parts) {
      codes.forEach((code, index) => {
        const column = first + position + (index % columns);
        if (column < width) values[Math.floor(index / columns) * width + column] = (255 * code) / largest;
      });
    }
  }
  return { width, height, values };
}

/**
 * A mel as an image: low frequencies are at the bottom.
 * @param {import('./traces.js').Matrix} mel
 * @returns {Values}
 */
export function melImage({ rows, columns, values }) {
  const flipped = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    flipped.set(values.subarray(row * columns, (row + 1) * columns), (rows - 1 - row) * columns);
  }
  return { width: columns, height: rows, values: flipped };
}
