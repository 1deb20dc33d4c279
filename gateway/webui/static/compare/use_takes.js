/** The takes of the last comparison. */
import { useApp } from '../lib/context.js';
import { useEffect, useRef, useState } from '../lib/dom.js';
import { makeTake, waitingTake } from './take.js';

/** @typedef {{variant: import('../request/settings.js').Settings, body: Record<string, unknown>}} TakeRequest */

export function useTakes() {
  const { api } = useApp();
  const [takes, setTakes] = useState(/** @type {import('./take.js').Take[]} */ ([]));
  const controller = useRef(new AbortController());

  const stop = () => controller.current.abort();
  useEffect(() => stop, []);

  /**
   * @param {TakeRequest[]} requests
   * @param {boolean} isParallel
   */
  const make = async (requests, isParallel) => {
    stop();
    const current = (controller.current = new AbortController());
    api.askAgain();
    setTakes(requests.map(({ variant }) => waitingTake(variant)));
    const makeOne = (/** @type {number} */ index) =>
      makeTake(api, requests[index].body, current.signal, (change) => {
        if (controller.current === current) setTakes((old) => old.map((take, at) => (at === index ? { ...take, ...change } : take)));
      });
    const indexes = requests.map((_, index) => index);
    if (isParallel) await Promise.all(indexes.map(makeOne));
    else for (const index of indexes) await makeOne(index); // an aborted signal stops the rest too
  };
  return { takes, make, stop };
}

/** @param {import('./take.js').Take[]} takes */
export const isMaking = (takes) => takes.some(({ state }) => state === 'waiting' || state === 'receiving');
