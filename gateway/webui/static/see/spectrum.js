/** A spectrogram of a growing signal, with a bounded number of columns. */
import FFT, { applySparseFilterBank, createSparseFilterBankForScale, magnitudesToColorIndices } from '../vendor/wavesurfer-fft.js';

const WINDOW = 1024;
const MAX_COLUMNS = 1000;
const ROWS = 128;
const RANGE_DB = 80;
const WHITE_DB = -10;

export class Spectrum {
  /** @param {number} rateHz */
  constructor(rateHz) {
    this._fft = new /** @type {any} */ (FFT)(WINDOW, rateHz, 'hann', 0);
    this._filters = createSparseFilterBankForScale('mel', ROWS, WINDOW, rateHz);
    this._samples = new Float32Array(rateHz * 10);
    this._count = 0;
  }

  /** @param {Int16Array} chunk */
  push(chunk) {
    if (this._count + chunk.length > this._samples.length) {
      const grown = new Float32Array(2 * (this._count + chunk.length));
      grown.set(this._samples.subarray(0, this._count));
      this._samples = grown;
    }
    chunk.forEach((sample, index) => (this._samples[this._count + index] = sample / 32768));
    this._count += chunk.length;
  }

  /**
   * The spectrogram so far, on the mel scale; low frequencies are at the bottom.
   * @returns {import('./images.js').Values}
   */
  image() {
    const hop = Math.max(WINDOW / 4, Math.ceil(this._count / MAX_COLUMNS));
    const width = Math.max(1, Math.ceil(this._count / hop));
    const values = new Uint8Array(width * ROWS);
    const frame = new Float32Array(WINDOW);
    for (let column = 0; column < width; column++) {
      frame.fill(0);
      frame.set(this._samples.subarray(column * hop, Math.min(column * hop + WINDOW, this._count)));
      const bands = applySparseFilterBank(this._fft.calculateSpectrum(frame), this._filters);
      magnitudesToColorIndices(bands, WHITE_DB, RANGE_DB).forEach((value, band) => (values[(ROWS - 1 - band) * width + column] = value));
    }
    return { width, height: ROWS, values };
  }
}
