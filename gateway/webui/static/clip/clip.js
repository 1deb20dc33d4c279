/** A reference clip that the user has chosen or recorded. */
import { checkClip, checkLength } from './check.js';
import { decodeWithin, RATE_HZ } from './decode.js';

/**
 * @typedef {object} Clip
 * @property {File} file
 * @property {number | null} durationS null: this browser cannot decode it
 * @property {import('./check.js').Finding[]} findings
 */

/**
 * @typedef {object} ClipRules
 * @property {import('./check.js').ClipLimits} limits
 * @property {{name: string, max_reference_s?: number | null}[]} engines that may use the clip
 */

/**
 * @param {File} file
 * @param {import('./check.js').ClipLimits} limits
 * @returns {Promise<Clip>}
 */
export async function readClip(file, limits) {
  const decoded = await decodeWithin(file, limits.max_s);
  if (!decoded) return { file, durationS: null, findings: [] };
  const { samples, durationS } = decoded;
  const findings = samples ? checkClip(samples, RATE_HZ, limits) : checkLength(durationS, limits);
  return { file, durationS, findings };
}
