/** A matrix as shades of the accent color: the smallest value is invisible, the largest is opaque. */
import { html, useEffect, useRef } from '../lib/dom.js';

/**
 * @param {{matrix: Uint16Array | Float32Array, rows: number, columns: number, label: string}} props
 *     matrix: row-major; the first row is at the top
 */
export function HeatMap({ matrix, rows, columns, label }) {
  const ref = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    const canvas = ref.current;
    const context = canvas?.getContext('2d');
    if (!canvas || !context || !matrix.length) return;
    canvas.width = columns;
    canvas.height = rows;
    const [red, green, blue] = accentOf(canvas, context);
    const { low, scale } = rangeOf(matrix);
    const image = context.createImageData(columns, rows);
    for (let index = 0; index < matrix.length; index++) {
      image.data.set([red, green, blue, Math.round((matrix[index] - low) * scale)], index * 4);
    }
    context.putImageData(image, 0, 0);
  }, [matrix, rows, columns]);
  return html`<canvas class="heat-map" ref=${ref} role="img" aria-label=${label}></canvas>`;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2D} context
 * @returns {number[]} red, green and blue, 0 to 255
 */
function accentOf(canvas, context) {
  context.fillStyle = getComputedStyle(canvas).getPropertyValue('--accent');
  const hex = String(context.fillStyle); // #rrggbb, however the color was written
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** @param {Uint16Array | Float32Array} matrix */
function rangeOf(matrix) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of matrix) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return { low, scale: high > low ? 255 / (high - low) : 0 };
}
