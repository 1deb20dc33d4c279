/** Sentences to try a voice with. */

/** By primary subtag.
 * @type {Record<string, string>}
 */
const SENTENCES = {
  ar: 'هكذا يبدو هذا الصوت.',
  de: 'So klingt diese Stimme.',
  en: 'This is how this voice sounds.',
  es: 'Así suena esta voz.',
  fr: 'Voici comment cette voix sonne.',
  it: 'Ecco come suona questa voce.',
  ja: 'この声はこのように聞こえます。',
  ko: '이 목소리는 이렇게 들립니다.',
  pt: 'É assim que esta voz soa.',
  ru: 'Вот как звучит этот голос.',
  zh: '这个声音听起来是这样的。',
};

/**
 * A sentence in the first language that has one, and that language.
 * @param {(string | undefined)[]} languages BCP 47 tags by preference
 */
export function sampleSentence(languages) {
  const primary = languages.map((tag) => tag?.split('-')[0].toLowerCase() ?? '');
  return SENTENCES[primary.find((subtag) => subtag in SENTENCES) ?? 'en'];
}
