/** Quality of a reference clip, measured before it is sent. The gateway's own check decides. */
import { FRAME_S, frameLevels } from './levels.js';

// As in gateway/audio/voice_check.py.
export const MIN_LEVEL_DBFS = -55;
export const MIN_VARIATION_DB = 2.5;
const LOUD_FRAMES = Math.round(0.3 / FRAME_S);
const ACTIVE_RANGE_DB = 25;

// In clean speech of two seconds or more, the quietest tenth is 42 dB or more below the loud level. It is 25 dB below if
// white noise is 15 dB quieter than the voice. Shorter clips may have no pause.
export const MIN_PAUSE_DB = 25;
const MIN_PAUSE_CLIP_S = 2;

// A peak that is not cut off passes more time just below its top than at it: a sine 0.31 to 0.14.
const FULL_SCALE = 0.99;
const NEAR_FULL_SCALE = 0.9;
const MIN_CLIPPED_S = 0.002;

/**
 * @typedef {object} ClipLimits
 * @property {number} min_s
 * @property {number} max_s
 * @property {number} max_bytes size of a request
 */

/**
 * @typedef {object} Finding
 * @property {'too_short' | 'too_long' | 'silent' | 'steady' | 'noisy' | 'clipped' | 'long_for_engine'} kind the string
 *     `clip.<kind>` says what to do
 * @property {boolean} isRefused whether the gateway refuses the clip for it
 * @property {Record<string, string | number>} values of the string
 */

/**
 * @param {Float32Array} samples
 * @param {number} rateHz
 * @param {ClipLimits} limits
 * @returns {Finding[]}
 */
export function checkClip(samples, rateHz, limits) {
  return [...checkLength(samples.length / rateHz, limits), ...checkSound(samples, rateHz)];
}

/**
 * @param {number} durationS
 * @param {ClipLimits} limits
 * @returns {Finding[]}
 */
export function checkLength(durationS, limits) {
  const seconds = durationS.toFixed(1);
  if (durationS < limits.min_s) return [{ kind: 'too_short', isRefused: true, values: { seconds, limit: limits.min_s } }];
  if (durationS > limits.max_s) return [{ kind: 'too_long', isRefused: true, values: { seconds, limit: limits.max_s } }];
  return [];
}

/**
 * @param {number} durationS
 * @param {{name: string, max_reference_s?: number | null}[]} engines that may use the clip
 * @returns {Finding[]}
 */
export function checkEngines(durationS, engines) {
  return engines
    .filter(({ max_reference_s: longestS }) => longestS && durationS > longestS)
    .map(({ name, max_reference_s: longestS }) => ({
      kind: 'long_for_engine', isRefused: false, values: { seconds: durationS.toFixed(1), engine: name, limit: Number(longestS) },
    }));
}

/**
 * @param {Float32Array} samples
 * @param {number} rateHz
 * @returns {Finding[]}
 */
function checkSound(samples, rateHz) {
  const { levels, weighted } = frameLevels(samples, rateHz);
  if (!levels.length) return [];
  const sorted = levels.slice().sort();
  const loud = sorted[Math.max(0, sorted.length - LOUD_FRAMES)];
  if (loud < MIN_LEVEL_DBFS) {
    return [{ kind: 'silent', isRefused: true, values: { level: Math.round(loud), limit: MIN_LEVEL_DBFS } }];
  }
  /** @type {Finding[]} */
  const findings = [];
  const active = weighted.filter((_, frame) => levels[frame] > loud - ACTIVE_RANGE_DB).sort();
  const pauseDb = loud - percentile(sorted, 0.1);
  if (active.length > LOUD_FRAMES && percentile(active, 0.9) - percentile(active, 0.1) < MIN_VARIATION_DB) {
    findings.push({ kind: 'steady', isRefused: true, values: {} });
  } else if (samples.length >= MIN_PAUSE_CLIP_S * rateHz && pauseDb < MIN_PAUSE_DB) {
    findings.push({ kind: 'noisy', isRefused: false, values: { level: Math.round(pauseDb), limit: MIN_PAUSE_DB } });
  }
  const clippedS = clippedSamples(samples) / rateHz;
  if (clippedS >= MIN_CLIPPED_S) {
    findings.push({ kind: 'clipped', isRefused: false, values: { milliseconds: Math.round(clippedS * 1000) } });
  }
  return findings;
}

/**
 * @param {Float64Array} sorted ascending
 * @param {number} share from 0 to 1
 */
function percentile(sorted, share) {
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)];
  return low + (at % 1) * ((sorted[Math.floor(at) + 1] ?? low) - low);
}

/**
 * The number of samples at full scale, if they are cut off.
 * @param {Float32Array} samples
 */
function clippedSamples(samples) {
  let [at, below] = [0, 0];
  for (const sample of samples) {
    const magnitude = Math.abs(sample);
    if (magnitude >= FULL_SCALE) at++;
    else if (magnitude >= NEAR_FULL_SCALE) below++;
  }
  return at > below ? at : 0;
}
