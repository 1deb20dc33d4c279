/** The charts' histories, from repeated scrapes of `/metrics`. */
import { useApp } from '../lib/context.js';
import { useRef, useState } from '../lib/dom.js';
import { CHARTS } from './charts.js';
import { emptyHistory, extended } from './history.js';
import { parseMetrics } from './prometheus.js';
import { usePolling } from './use_polling.js';

/** @param {number} pauseMs between scrapes; 0: only one */
export function useMetrics(pauseMs) {
  const { api } = useApp();
  const [histories, setHistories] = useState(() => Object.fromEntries(CHARTS.map(({ id }) => [id, emptyHistory()])));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const before = useRef(/** @type {import('./rates.js').Scrape | null} */ (null));

  usePolling(async (signal) => {
    try {
      const text = await (await api.fetch('metrics', { signal })).text();
      const now = { timeS: Date.now() / 1000, samples: parseMetrics(text) };
      const last = before.current;
      before.current = now;
      setError(null);
      if (!last || last.timeS >= now.timeS) return;
      setHistories((old) =>
        Object.fromEntries(CHARTS.map(({ id, read }) => [id, extended(old[id], now.timeS, read(last, now))])),
      );
    } catch (failure) {
      if (!signal.aborted) setError(/** @type {Error} */ (failure));
    }
  }, pauseMs);
  return { histories, error };
}
