/** Division of a text into the pieces that a language model would stream, and their timing. */

/** @typedef {'characters' | 'tokens'} Unit */

/** Time that counts at once: after a pause of the page, text must not come in a flood. */
const MAX_ELAPSED_S = 1; // timers of hidden pages run once a second

const CJK = '[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}]';
const WORD = '[\\p{L}\\p{M}\\p{N}]';

/** Tokens as tokenizers of language models divide roughly: up to six letters of a word with the space before it.
 * @type {Record<Unit, RegExp>}
 */
const PIECES = {
  characters: /[^]/gu,
  tokens: new RegExp(`${CJK}| ?(?:(?!${CJK})${WORD}){1,6}| ?(?!${WORD})\\S{1,2}|\\s`, 'gu'),
};

export const UNITS = /** @type {Unit[]} */ (Object.keys(PIECES));

/**
 * @param {string} text
 * @param {Unit} unit
 * @returns {string[]} pieces that make up the text
 */
export function divide(text, unit) {
  return text.match(PIECES[unit]) ?? [];
}

/** The pieces of a text that are due, at a rate that may change. */
export class Pacer {
  /** @param {string[]} pieces */
  constructor(pieces) {
    this._pieces = pieces;
    this._credit = 0;
    /** Number of pieces sent. */
    this.sent = 0;
  }

  get total() {
    return this._pieces.length;
  }

  get isDone() {
    return this.sent === this.total;
  }

  /**
   * The text that has become due since the last call.
   * @param {number} elapsedS
   * @param {number} perS pieces per second
   */
  advance(elapsedS, perS) {
    this._credit += Math.min(elapsedS, MAX_ELAPSED_S) * perS;
    const count = Math.floor(this._credit);
    this._credit -= count;
    const due = this._pieces.slice(this.sent, this.sent + count);
    this.sent += due.length;
    return due.join('');
  }
}

/**
 * Split what is being typed into the complete words, which can be sent, and the word that may still change.
 * @param {string} typed
 * @returns {[complete: string, rest: string]}
 */
export function splitTyped(typed) {
  const complete = COMPLETE.exec(typed)?.[0] ?? '';
  return [complete, typed.slice(complete.length)];
}

// Up to the last white space, Chinese or Japanese character, or full-width sign.
const COMPLETE = /^[^]*[\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff00-\uffef]/u;
