/** The charts: what each one reads from two scrapes. */
import { quantile, rate, sumBy } from './rates.js';

/** @typedef {import('./rates.js').Scrape} Scrape */

/**
 * @typedef {object} ChartSpec
 * @property {string} id key of its title
 * @property {string} unit
 * @property {(before: Scrape, now: Scrape) => Record<string, number | null>} read values by the name of their line
 */

/** Routes that the page itself requests. */
const OWN_ROUTES = ['/metrics', '/v1/engines', '/ui'];

/** @param {string} name of a histogram of seconds */
const quantiles = (name) => (/** @type {Scrape} */ before, /** @type {Scrape} */ now) => ({
  p50: quantile(before, now, name, 0.5),
  p95: quantile(before, now, name, 0.95),
});

/** @type {ChartSpec[]} */
export const CHARTS = [
  {
    id: 'requests',
    unit: '1/s',
    read: (before, now) => rate(before, now, 'voxgate_http_responses_total', 'status', ({ route }) => !OWN_ROUTES.includes(route)),
  },
  { id: 'first_audio', unit: 's', read: quantiles('voxgate_time_to_first_audio_seconds') },
  { id: 'queue_wait', unit: 's', read: quantiles('voxgate_queue_seconds') },
  { id: 'active', unit: '', read: (_, now) => sumBy(now.samples, 'voxgate_active_jobs', 'engine') },
  { id: 'audio', unit: 's/s', read: (before, now) => rate(before, now, 'voxgate_audio_seconds_total', 'engine') },
  { id: 'errors', unit: '1/s', read: (before, now) => rate(before, now, 'voxgate_errors_total', 'type') },
];
