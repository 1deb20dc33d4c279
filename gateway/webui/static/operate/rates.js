/** Rates and quantiles between two scrapes. */

/** @typedef {import('./prometheus.js').Sample} Sample */

/** A scrape with the time it was made, in seconds.
 * @typedef {{timeS: number, samples: Sample[]}} Scrape
 */

/**
 * The values of a metric summed by a label.
 * @param {Sample[]} samples
 * @param {string} name
 * @param {string} label
 * @returns {Record<string, number>}
 */
export function sumBy(samples, name, label) {
  const sums = /** @type {Record<string, number>} */ ({});
  for (const sample of samples) {
    const key = sample.labels[label];
    if (sample.name === name) sums[key] = (sums[key] ?? 0) + sample.value;
  }
  return sums;
}

/**
 * How much a counter grew, by a label. A counter that fell was reset, so that all of it is new.
 * @param {Scrape} before
 * @param {Scrape} now
 * @param {string} name
 * @param {string} label
 * @param {(labels: Record<string, string>) => boolean} isIncluded
 * @returns {Record<string, number>}
 */
export function increase(before, now, name, label, isIncluded = () => true) {
  const of = (/** @type {Scrape} */ { samples }) =>
    sumBy(samples.filter(({ labels }) => isIncluded(labels)), name, label);
  const old = of(before);
  return Object.fromEntries(
    Object.entries(of(now)).map(([key, value]) => {
      const start = old[key] ?? 0;
      return [key, value < start ? value : value - start];
    }),
  );
}

/**
 * The growth of a counter per second, by a label.
 * @param {Scrape} before
 * @param {Scrape} now
 * @param {string} name
 * @param {string} label
 * @param {(labels: Record<string, string>) => boolean} [isIncluded]
 * @returns {Record<string, number>}
 */
export function rate(before, now, name, label, isIncluded) {
  const elapsedS = now.timeS - before.timeS;
  const grown = increase(before, now, name, label, isIncluded);
  return Object.fromEntries(Object.entries(grown).map(([key, value]) => [key, value / elapsedS]));
}

/**
 * A quantile of what a histogram observed between two scrapes, over all of its labels: interpolated in its bucket, as
 * Prometheus' `histogram_quantile` does. Null if nothing was observed.
 * @param {Scrape} before
 * @param {Scrape} now
 * @param {string} name without `_bucket`
 * @param {number} share such as 0.95
 * @returns {number | null}
 */
export function quantile(before, now, name, share) {
  const grown = increase(before, now, `${name}_bucket`, 'le');
  const buckets = Object.entries(grown)
    .map(([bound, count]) => ({ bound: bound === '+Inf' ? Infinity : Number(bound), count }))
    .sort((a, b) => a.bound - b.bound);
  const total = buckets.at(-1)?.count ?? 0;
  if (!total) return null;
  const rank = share * total;
  const index = buckets.findIndex(({ count }) => count >= rank);
  const { bound, count } = buckets[index];
  const below = index ? buckets[index - 1] : { bound: 0, count: 0 };
  if (bound === Infinity) return below.bound; // all that is known of values beyond the last bucket
  return below.bound + ((bound - below.bound) * (rank - below.count)) / (count - below.count);
}
