/** Loudness of a growing signal, for drawing. */
export class Peaks {
  /** @param {number} binSamples samples per bin */
  constructor(binSamples) {
    this._binSamples = binSamples;
    this._inBin = 0;
    /** @type {number[]} the largest magnitude of each bin, from 0 to 1 */
    this.bins = [];
  }

  /** @param {Float32Array} samples */
  push(samples) {
    for (const sample of samples) {
      if (this._inBin === 0) this.bins.push(0);
      const last = this.bins.length - 1;
      this.bins[last] = Math.max(this.bins[last], Math.abs(sample));
      this._inBin = (this._inBin + 1) % this._binSamples;
    }
  }

  /**
   * The bins reduced to `columns` values.
   * @param {number} columns
   * @returns {number[]}
   */
  columns(columns) {
    const bins = this.bins;
    return Array.from({ length: bins.length ? columns : 0 }, (_, column) => {
      const start = Math.floor((column * bins.length) / columns);
      const end = Math.max(start + 1, Math.floor(((column + 1) * bins.length) / columns));
      return bins.slice(start, end).reduce((a, b) => Math.max(a, b), 0);
    });
  }
}
