/** An image stretched over its place, with the play head. */
import { html, useEffect, useMemo, useRef } from '../lib/dom.js';
import { pixels } from './images.js';

/**
 * @param {{name: string, image: import('./images.js').Values, fraction: number, label: string}} props
 *     fraction: place of the play head, from 0 to 1; outside: none
 */
export function Picture({ name, image, fraction, label }) {
  const ref = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const drawn = useMemo(() => {
    const canvas = document.createElement('canvas');
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext('2d')?.putImageData(new ImageData(pixels(image), image.width, image.height), 0, 0);
    return canvas;
  }, [image]);
  useEffect(() => {
    const canvas = ref.current;
    const context = canvas?.getContext('2d');
    if (!canvas || !context) return;
    const width = (canvas.width = canvas.clientWidth * devicePixelRatio);
    const height = (canvas.height = canvas.clientHeight * devicePixelRatio);
    context.imageSmoothingEnabled = false;
    context.drawImage(drawn, 0, 0, width, height);
    if (fraction < 0 || fraction > 1) return;
    context.fillStyle = getComputedStyle(canvas).getPropertyValue('--head');
    context.fillRect(Math.min(fraction * width, width - 2), 0, 2, height);
  });
  return html`<canvas class="picture" data-picture=${name} ref=${ref} role="img" aria-label=${label}></canvas>`;
}
