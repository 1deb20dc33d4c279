/** Audio files as samples, decoded by the browser. */
import { wavFile } from '../audio/pcm.js';

export const RATE_HZ = 48_000; // the highest that the gateway keeps
const MAX_UNKNOWN_BYTES = 8 * 2 ** 20; // half an hour at 32 kbit/s, 700 MB of samples in stereo

/**
 * @param {Blob} file
 * @returns {Promise<Float32Array<ArrayBuffer> | null>} the loudest channel at 48 kHz; null: this browser cannot decode it
 */
export async function decode(file) {
  const context = new OfflineAudioContext(1, 1, RATE_HZ);
  const buffer = await context.decodeAudioData(await file.arrayBuffer()).catch(() => null);
  return buffer && loudestChannel(buffer);
}

/**
 * Decode a file that may be too long, whose samples could fill the memory.
 * @param {Blob} file
 * @param {number} maxS
 * @returns {Promise<{samples: Float32Array<ArrayBuffer> | null, durationS: number} | null>} without samples if it is
 *     longer than `maxS`; null: this browser cannot decode it, or it is large and does not state its duration
 */
export async function decodeWithin(file, maxS) {
  const durationS = await statedDuration(file);
  if (Number.isFinite(durationS) && durationS > maxS + 1) return { samples: null, durationS };
  if (!Number.isFinite(durationS) && file.size > MAX_UNKNOWN_BYTES) return null;
  const samples = await decode(file);
  return samples && { samples, durationS: samples.length / RATE_HZ };
}

/**
 * The duration that a file's header states; NaN or infinite: unknown.
 * @param {Blob} file
 * @returns {Promise<number>}
 */
async function statedDuration(file) {
  const audio = new Audio();
  audio.preload = 'metadata';
  audio.src = URL.createObjectURL(file);
  try {
    return await new Promise((resolve) => {
      audio.onloadedmetadata = () => resolve(audio.duration);
      audio.onerror = () => resolve(NaN);
    });
  } finally {
    URL.revokeObjectURL(audio.src);
  }
}

/** @param {AudioBuffer} buffer */
function loudestChannel(buffer) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, index) => buffer.getChannelData(index));
  const energies = channels.map((samples) => samples.reduce((sum, sample) => sum + sample * sample, 0));
  return channels[energies.indexOf(Math.max(...energies))];
}

/**
 * A recording as the gateway stores it: 16-bit WAV.
 * @param {Float32Array} samples at 48 kHz
 */
export function recordingFile(samples) {
  const pcm = Int16Array.from(samples, (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768))));
  return new File([wavFile([pcm], RATE_HZ)], 'recording.wav', { type: 'audio/wav' });
}
