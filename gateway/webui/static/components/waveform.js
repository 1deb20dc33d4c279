/** The waveform of the audio received so far, with the play head. */
import { html, useEffect, useRef } from '../lib/dom.js';

const BAR_PX = 3;

/**
 * @param {{peaks: import('../audio/peaks.js').Peaks, durationS: number, positionS: number, label: string}} props
 */
export function Waveform({ peaks, durationS, positionS, label }) {
  const ref = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    const canvas = ref.current;
    const context = canvas?.getContext('2d');
    if (!canvas || !context) return;
    const scale = devicePixelRatio;
    const { clientWidth: width, clientHeight: height } = canvas;
    canvas.width = width * scale;
    canvas.height = height * scale;
    context.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const played = durationS ? (positionS / durationS) * width : 0;
    peaks.columns(Math.floor(width / BAR_PX)).forEach((peak, index) => {
      const x = index * BAR_PX;
      const bar = Math.max(1, peak * height);
      context.fillStyle = style.getPropertyValue(x < played ? '--accent' : '--muted');
      context.fillRect(x, (height - bar) / 2, BAR_PX - 1, bar);
    });
    if (durationS) {
      context.fillStyle = style.getPropertyValue('--text');
      context.fillRect(Math.min(played, width - 1), 0, 1, height);
    }
  });
  return html`<canvas class="waveform" ref=${ref} role="img" aria-label=${label}></canvas>`;
}
