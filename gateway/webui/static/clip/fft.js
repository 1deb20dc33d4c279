/** Fast Fourier transform. */

/**
 * Transform in place, radix 2.
 * @param {Float64Array} real length: a power of two
 * @param {Float64Array} imaginary of the same length
 */
export function fft(real, imaginary) {
  const count = real.length;
  for (let index = 1, reversed = 0; index < count; index++) {
    let bit = count >> 1;
    for (; reversed & bit; bit >>= 1) reversed ^= bit;
    reversed ^= bit;
    if (index < reversed) {
      [real[index], real[reversed]] = [real[reversed], real[index]];
      [imaginary[index], imaginary[reversed]] = [imaginary[reversed], imaginary[index]];
    }
  }
  for (let half = 1; half < count; half *= 2) {
    for (let offset = 0; offset < half; offset++) {
      const cos = Math.cos((-Math.PI * offset) / half);
      const sin = Math.sin((-Math.PI * offset) / half);
      for (let low = offset; low < count; low += 2 * half) {
        const high = low + half;
        const re = real[high] * cos - imaginary[high] * sin;
        const im = real[high] * sin + imaginary[high] * cos;
        real[high] = real[low] - re;
        imaginary[high] = imaginary[low] - im;
        real[low] += re;
        imaginary[low] += im;
      }
    }
  }
}
