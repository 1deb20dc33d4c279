/** Samples that wait to be played. Synthesis is often much faster than playback, so it has no fixed size. */
export class SampleQueue {
  constructor() {
    /** @type {Float32Array[]} */
    this._chunks = [];
    this._offset = 0; // in the first chunk
    /** Samples read so far. */
    this.played = 0;
  }

  get isEmpty() {
    return this._chunks.length === 0;
  }

  /** @param {Float32Array} samples */
  push(samples) {
    if (samples.length) this._chunks.push(samples);
  }

  /**
   * Fill `output` with the next samples, and with silence after the last one.
   * @param {Float32Array} output
   */
  read(output) {
    let filled = 0;
    while (filled < output.length && this._chunks.length) {
      const chunk = this._chunks[0];
      const part = chunk.subarray(this._offset, this._offset + output.length - filled);
      output.set(part, filled);
      filled += part.length;
      this._offset += part.length;
      if (this._offset === chunk.length) {
        this._chunks.shift();
        this._offset = 0;
      }
    }
    output.fill(0, filled);
    this.played += filled;
  }
}
