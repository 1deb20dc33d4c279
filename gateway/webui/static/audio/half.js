/** 16-bit floating point samples, as `/v1/vqgan/decode` sends them. */

/**
 * Decode little-endian float16 samples to 16-bit PCM.
 * @param {Uint8Array} bytes
 * @returns {Int16Array<ArrayBuffer>}
 */
export function pcmFromHalf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Int16Array(bytes.byteLength >> 1);
  for (let index = 0; index < samples.length; index++) {
    const value = Math.round(32768 * fromHalf(view.getUint16(index * 2, true)));
    samples[index] = Math.max(-32768, Math.min(32767, value));
  }
  return samples;
}

/**
 * @param {number} bits of an IEEE 754 binary16 number
 * @returns {number}
 */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
