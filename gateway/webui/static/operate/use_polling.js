/** Repetition of a request while the page is visible. */
import { useEffect, useRef } from '../lib/dom.js';

/**
 * Call `work` now and then `pauseMs` after each call has ended; not while the page is hidden, and at once when it is
 * shown again.
 * @param {(signal: AbortSignal) => Promise<void>} work does not throw
 * @param {number} pauseMs 0: only once
 */
export function usePolling(work, pauseMs) {
  const latest = useRef(work);
  latest.current = work;
  useEffect(() => {
    const controller = new AbortController();
    let timer = 0;
    let isBusy = false;
    const poll = async () => {
      clearTimeout(timer);
      if (isBusy || document.hidden) return;
      isBusy = true;
      await latest.current(controller.signal);
      isBusy = false;
      if (pauseMs && !controller.signal.aborted) timer = setTimeout(poll, pauseMs);
    };
    poll();
    document.addEventListener('visibilitychange', poll, { signal: controller.signal });
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [pauseMs]);
}
