/** Strings of the page in the user's language. */

/** @typedef {(key: string, values?: Record<string, string | number>) => string} Translate */

/** Languages by BCP 47 tag, each with its name in itself. */
export const LANGUAGES = { 'en': 'English', 'zh-Hans': '简体中文', 'zh-Hant': '繁體中文' };

const STORAGE = 'voxgate.language';

/**
 * The page's language for the languages that a browser prefers.
 * @param {readonly string[]} preferred
 */
export function chooseLanguage(preferred) {
  for (const tag of preferred) {
    const subtags = tag.toLowerCase().split('-');
    if (subtags[0] === 'en') return 'en';
    if (subtags[0] === 'zh') {
      const traditional = subtags.includes('hant') || (!subtags.includes('hans') && /tw|hk|mo/.test(tag.toLowerCase()));
      return traditional ? 'zh-Hant' : 'zh-Hans';
    }
  }
  return 'en';
}

/** The language chosen on this page before, or else the browser's. */
export function initialLanguage() {
  const stored = localStorage.getItem(STORAGE);
  return stored && stored in LANGUAGES ? stored : chooseLanguage(navigator.languages);
}

/**
 * Load a language and remember it.
 * @param {string} language
 * @returns {Promise<Translate>}
 */
export async function loadLanguage(language) {
  const response = await fetch(new URL(`../strings/${language}.json`, import.meta.url));
  const strings = await response.json();
  document.documentElement.lang = language;
  return translator(strings);
}

/** @param {string} language */
export function rememberLanguage(language) {
  localStorage.setItem(STORAGE, language);
}

/**
 * @param {Record<string, string>} strings with placeholders in braces
 * @returns {Translate}
 */
export function translator(strings) {
  return (key, values = {}) =>
    (strings[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
