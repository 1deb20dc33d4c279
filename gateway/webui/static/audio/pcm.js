/** 16-bit little-endian mono PCM, as the gateway streams it. */

/** Decoder of a stream whose chunks may split a sample. */
export class PcmDecoder {
  constructor() {
    /** @type {number | null} the first byte of a split sample */
    this._low = null;
  }

  /**
   * @param {Uint8Array} bytes
   * @returns {Int16Array<ArrayBuffer>}
   */
  decode(bytes) {
    const carried = this._low === null ? 0 : 1;
    const samples = new Int16Array((bytes.length + carried) >> 1);
    let at = 0;
    if (this._low !== null && bytes.length) {
      samples[at++] = this._low | (bytes[0] << 8);
      this._low = null;
    }
    let index = carried;
    for (; index + 1 < bytes.length; index += 2) samples[at++] = bytes[index] | (bytes[index + 1] << 8);
    if (index < bytes.length) this._low = bytes[index];
    return samples;
  }
}

/**
 * Samples from -1 to 1, as Web Audio plays them.
 * @param {Int16Array} samples
 */
export function toFloat(samples) {
  const floats = new Float32Array(samples.length); // Float32Array.from() with a function is many times slower
  for (let index = 0; index < samples.length; index++) floats[index] = samples[index] / 32768;
  return floats;
}

/**
 * A WAV file.
 * @param {Int16Array<ArrayBuffer>[]} chunks
 * @param {number} rateHz
 */
export function wavFile(chunks, rateHz) {
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const head = new DataView(new ArrayBuffer(44));
  const tag = (/** @type {number} */ at, /** @type {string} */ name) =>
    [...name].forEach((letter, index) => head.setUint8(at + index, letter.charCodeAt(0)));
  tag(0, 'RIFF');
  head.setUint32(4, 36 + bytes, true);
  tag(8, 'WAVEfmt ');
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true); // PCM
  head.setUint16(22, 1, true); // channels
  head.setUint32(24, rateHz, true);
  head.setUint32(28, rateHz * 2, true);
  head.setUint16(32, 2, true); // bytes per frame
  head.setUint16(34, 16, true);
  tag(36, 'data');
  head.setUint32(40, bytes, true);
  return new Blob([head, ...chunks], { type: 'audio/wav' });
}
