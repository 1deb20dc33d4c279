/** A reference clip that the user has chosen or recorded. */
import { checkClip, checkLength } from './check.js';
import { decodeWithin, RATE_HZ } from './decode.js';

/**
 * @typedef {object} Clip
 * @property {File} file
 * @property {number | null} durationS null: this browser cannot decode it
 * @property {import('./check.js').Finding[]} findings
 */

/** @typedef {{limits: import('./check.js').ClipLimits, engines: {name: string, max_reference_s?: number | null}[]}} ClipRules */

/**
 * @param {File} file
 * @param {ClipRules} rules
 * @returns {Promise<Clip>}
 */
export async function readClip(file, { limits, engines }) {
  const decoded = await decodeWithin(file, limits.max_s);
  if (!decoded) return { file, durationS: null, findings: [] };
  const { samples, durationS } = decoded;
  const findings = samples ? checkClip(samples, RATE_HZ, limits, engines) : checkLength(durationS, limits, engines);
  return { file, durationS, findings };
}
