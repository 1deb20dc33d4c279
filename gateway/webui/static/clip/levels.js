/** Level of a recording over time in the band of speech, measured as the gateway does (`gateway/audio/voice_check.py`). */
import { fft } from './fft.js';

export const FRAME_S = 0.04;
export const BAND_HZ = /** @type {const} */ ([100, 4000]);

/**
 * @param {Float32Array} samples
 * @param {number} rateHz
 * @returns {{levels: Float64Array, weighted: Float64Array}} dBFS of each frame; weighted: with 3 dB per octave of
 *     pre-emphasis, with which noise of any color varies little
 */
export function frameLevels(samples, rateHz) {
  const size = Math.round(FRAME_S * rateHz);
  const clean = withoutRumble(samples, rateHz);
  const window = Float64Array.from({ length: size }, (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / (size - 1)));
  const windowEnergy = window.reduce((sum, value) => sum + value * value, 0);
  const bins = 2 ** Math.ceil(Math.log2(size)); // the frame is padded with zeros
  const [lowest, highest] = [Math.ceil((BAND_HZ[0] * bins) / rateHz), Math.floor((BAND_HZ[1] * bins) / rateHz)];
  const count = Math.floor(samples.length / size);
  const levels = new Float64Array(count);
  const weighted = new Float64Array(count);
  const real = new Float64Array(bins);
  const imaginary = new Float64Array(bins);
  for (let frame = 0; frame < count; frame++) {
    real.fill(0);
    imaginary.fill(0);
    for (let index = 0; index < size; index++) real[index] = clean[frame * size + index] * window[index];
    fft(real, imaginary);
    let power = 0;
    let emphasized = 0;
    for (let bin = lowest; bin <= Math.min(highest, bins / 2); bin++) {
      const energy = real[bin] ** 2 + imaginary[bin] ** 2;
      power += energy;
      emphasized += (energy * bin * rateHz) / bins / 1000;
    }
    const scale = 2 / (bins * windowEnergy);
    levels[frame] = decibels(scale * power);
    weighted[frame] = decibels(scale * emphasized);
  }
  return { levels, weighted };
}

/** @param {number} power */
function decibels(power) {
  return 10 * Math.log10(Math.max(power, 1e-12));
}

/**
 * Attenuate frequencies below the band, which would leak into it: a Butterworth filter of the fourth order.
 * @param {Float32Array} samples
 * @param {number} rateHz
 */
function withoutRumble(samples, rateHz) {
  const filtered = Float64Array.from(samples);
  for (const quality of [0.541, 1.307]) highPass(filtered, rateHz, quality);
  return filtered;
}

/**
 * @param {Float64Array} samples filtered in place
 * @param {number} rateHz
 * @param {number} quality
 */
function highPass(samples, rateHz, quality) {
  const angle = (2 * Math.PI * BAND_HZ[0]) / rateHz;
  const [cos, alpha] = [Math.cos(angle), Math.sin(angle) / (2 * quality)];
  const gain = (1 + cos) / 2 / (1 + alpha);
  const [a1, a2] = [(-2 * cos) / (1 + alpha), (1 - alpha) / (1 + alpha)];
  let [x1, x2, y1, y2] = [samples[0] ?? 0, samples[0] ?? 0, 0, 0]; // an offset has been there before
  for (let index = 0; index < samples.length; index++) {
    const x = samples[index];
    const y = gain * (x - 2 * x1 + x2) - a1 * y1 - a2 * y2;
    [x2, x1, y2, y1] = [x1, x, y1, y];
    samples[index] = y;
  }
}
