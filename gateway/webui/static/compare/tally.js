/** Results of blind trials, kept until the tab is closed. */

/** @typedef {'first' | 'second' | 'none'} Outcome which of two settings was better */
/** @typedef {Record<Outcome, number>} Counts */

const STORAGE = 'voxgate.compare.tally';

/** @type {Readonly<Counts>} */
const NOTHING = { first: 0, second: 0, none: 0 };

export class Tally {
  /** @param {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} storage */
  constructor(storage) {
    this._storage = storage;
  }

  /**
   * @param {string} first key of a setting
   * @param {string} second
   * @returns {Counts}
   */
  counts(first, second) {
    return { ...NOTHING, ...this._read()[pairKey(first, second)] };
  }

  /**
   * @param {string} first
   * @param {string} second
   * @param {Outcome} outcome
   */
  record(first, second, outcome) {
    const counts = this.counts(first, second);
    counts[outcome] += 1;
    this._storage.setItem(STORAGE, JSON.stringify({ ...this._read(), [pairKey(first, second)]: counts }));
  }

  reset() {
    this._storage.removeItem(STORAGE);
  }

  /** @returns {Record<string, Counts>} */
  _read() {
    return JSON.parse(this._storage.getItem(STORAGE) ?? '{}');
  }
}

/**
 * @param {string} first
 * @param {string} second
 */
function pairKey(first, second) {
  return JSON.stringify([first, second]);
}

/** @param {Counts} counts */
export function trialsOf({ first, second, none }) {
  return first + second + none;
}

/**
 * The two-sided sign test: how likely a result at least this uneven is if both are equally good.
 * @param {number} first how often the first was better; trials without a difference do not count
 * @param {number} second
 * @returns {number} p value
 */
export function signTest(first, second) {
  const n = first + second;
  let logTerm = -n * Math.LN2; // of C(n, k) / 2^n, as a logarithm because 2^n may be too large for a number
  let tail = 0;
  for (let k = 0; k <= Math.min(first, second); k++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}
