/** What the Compare view is set to, as a link. */
import { DEFAULTS, fromParams, toParams } from '../request/settings.js';

/** @typedef {import('../request/settings.js').Settings} Settings */

/**
 * @typedef {object} Comparison
 * @property {string} text
 * @property {Settings[]} variants their texts are empty
 * @property {boolean} isParallel whether all requests are sent at once
 * @property {boolean} isEqualized whether playback has equal loudness
 * @property {boolean} isBlind
 */

export const MIN_VARIANTS = 2;
export const MAX_VARIANTS = 4;

const COUNT = 'settings';

/**
 * @param {URLSearchParams} params a variant's have its number as prefix, such as `1.voice`
 * @returns {Comparison}
 */
export function comparisonFromParams(params) {
  const variants = Array.from({ length: MAX_VARIANTS }, (_, index) => {
    const prefix = `${index + 1}.`;
    const own = [...params].filter(([name]) => name.startsWith(prefix));
    return { ...fromParams(new URLSearchParams(own.map(([name, value]) => [name.slice(prefix.length), value]))), text: '' };
  });
  const count = Math.min(MAX_VARIANTS, Math.max(MIN_VARIANTS, Math.floor(Number(params.get(COUNT)) || 0)));
  return {
    text: params.get('text') ?? '',
    variants: variants.slice(0, count),
    isParallel: params.get('parallel') === 'true',
    isEqualized: params.get('equalize') !== 'false',
    isBlind: params.get('blind') === 'true',
  };
}

/** @param {Comparison} comparison */
export function comparisonToParams({ text, variants, isParallel, isEqualized, isBlind }) {
  const params = new URLSearchParams();
  if (text) params.set('text', text);
  if (variants.length > MIN_VARIANTS) params.set(COUNT, String(variants.length));
  if (isParallel) params.set('parallel', 'true');
  if (!isEqualized) params.set('equalize', 'false');
  if (isBlind) params.set('blind', 'true');
  variants.forEach((variant, index) => {
    for (const [name, value] of toParams(variant)) params.set(`${index + 1}.${name}`, value);
  });
  return params;
}

/**
 * A name of a variant that is the same for equal settings.
 * @param {Settings} variant
 */
export function variantKey(variant) {
  return toParams({ ...variant, text: '', format: DEFAULTS.format }).toString();
}

/**
 * The settings that differ from the defaults, for people to read.
 * @param {Settings} variant
 * @param {string} engine the one that was used
 * @param {string} voice
 */
export function variantLabel(variant, engine, voice) {
  const others = [...toParams({ ...variant, text: '', engine: '', voice: '', format: DEFAULTS.format })];
  return [engine, voice, ...others.map(([name, value]) => `${name.replace('options.', '')} ${value}`)].filter(Boolean).join(' · ');
}
