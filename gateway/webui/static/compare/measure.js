/** Where speech begins and ends in a signal, and how loud it is. */

/** @typedef {{startS: number, endS: number, rms: number}} Measured */

const FRAME_S = 0.02;
const GATE = 0.01; // 40 dB below the loudest frame: pauses and silence at the ends do not count

/**
 * @param {Float32Array} samples
 * @param {number} rateHz
 * @returns {Measured} the whole signal if it is silent
 */
export function measureSpeech(samples, rateHz) {
  const size = Math.max(1, Math.round(rateHz * FRAME_S));
  const energies = Array.from({ length: Math.ceil(samples.length / size) }, (_, index) => {
    const frame = samples.subarray(index * size, (index + 1) * size);
    return frame.reduce((sum, sample) => sum + sample * sample, 0) / frame.length;
  });
  const loudest = energies.reduce((a, b) => Math.max(a, b), 0);
  const isSpeech = energies.map((energy) => energy > 0 && energy >= loudest * GATE * GATE);
  const speech = energies.filter((_, index) => isSpeech[index]);
  const durationS = samples.length / rateHz;
  if (!speech.length) return { startS: 0, endS: durationS, rms: 0 };
  return {
    startS: (isSpeech.indexOf(true) * size) / rateHz,
    endS: Math.min(durationS, ((isSpeech.lastIndexOf(true) + 1) * size) / rateHz),
    rms: Math.sqrt(speech.reduce((sum, energy) => sum + energy, 0) / speech.length),
  };
}

/**
 * Gains that make all signals as loud as the quietest one, so that none is clipped.
 * @param {number[]} rms silent signals have 0
 */
export function equalGains(rms) {
  const quietest = Math.min(...rms.filter(Boolean));
  return rms.map((one) => (one ? quietest / one : 1));
}
