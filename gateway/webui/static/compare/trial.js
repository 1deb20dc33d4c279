/** The choice of the two takes of a blind trial. */

/**
 * One of the pairs with the fewest trials, in random order.
 * @param {number[]} takes numbers of the takes, two or more, in ascending order
 * @param {(first: number, second: number) => number} trials how many trials a pair has had
 * @param {() => number} [random] from 0 to 1
 * @returns {[a: number, b: number]}
 */
export function drawTrial(takes, trials, random = Math.random) {
  const pairs = takes.flatMap((first, at) => takes.slice(at + 1).map((second) => ({ first, second, count: trials(first, second) })));
  const fewest = Math.min(...pairs.map(({ count }) => count));
  const candidates = pairs.filter(({ count }) => count === fewest);
  const { first, second } = candidates[Math.floor(random() * candidates.length)];
  return random() < 0.5 ? [first, second] : [second, first];
}

/**
 * @param {[a: number, b: number]} trial
 * @param {'a' | 'b' | 'none'} choice
 * @returns {import('./tally.js').Outcome} for the pair in ascending order
 */
export function outcomeOf([a, b], choice) {
  if (choice === 'none') return 'none';
  return (choice === 'a') === a < b ? 'first' : 'second';
}
