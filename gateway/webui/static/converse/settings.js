/** What the Converse view is set to, as a link. */
import { fromParams, toParams } from '../request/settings.js';
import { UNITS } from './pacing.js';

/**
 * @typedef {object} LiveSettings
 * @property {import('../request/settings.js').Settings} request its text is the one to send in pieces
 * @property {'type' | 'paste'} mode how the text is put in
 * @property {string} rate in pieces per second
 * @property {import('./pacing.js').Unit} unit of a piece
 */

const DEFAULT_RATE = '20'; // tokens per second of a language model that is served to many users
export const MAX_RATE = 1000;

/**
 * @param {URLSearchParams} params
 * @returns {LiveSettings}
 */
export function liveFromParams(params) {
  return {
    request: fromParams(params),
    mode: params.get('mode') === 'paste' ? 'paste' : 'type',
    rate: params.get('rate') ?? DEFAULT_RATE,
    unit: UNITS.find((unit) => unit === params.get('unit')) ?? 'tokens',
  };
}

/** @param {LiveSettings} settings */
export function liveToParams({ request, mode, rate, unit }) {
  const params = toParams(request);
  if (mode !== 'type') params.set('mode', mode);
  if (rate !== DEFAULT_RATE) params.set('rate', rate);
  if (unit !== 'tokens') params.set('unit', unit);
  return params;
}

/**
 * Pieces per second; a rate that is not a positive number is the default.
 * @param {string} rate
 */
export function piecesPerS(rate) {
  return Math.min(MAX_RATE, Number(rate) > 0 ? Number(rate) : Number(DEFAULT_RATE));
}
