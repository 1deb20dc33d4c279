/** One stage: its request, its progress and its result. */
import { useEffect, useRef, useState } from '../lib/dom.js';

/**
 * @template T
 * @typedef {object} StageState
 * @property {'idle' | 'running' | 'done' | 'cancelled' | 'failed'} state
 * @property {T | null} result of the last run that succeeded
 * @property {Error | null} error
 * @property {number} tookS seconds so far, or in total
 */

/**
 * @template T
 * @typedef {object} Run
 * @property {StageState<T>} stage
 * @property {(work: (signal: AbortSignal) => Promise<T>) => Promise<void>} run
 * @property {() => void} cancel
 */

const TICK_MS = 200;

/** @returns {Run<any>} */
export function useStage() {
  const [stage, setStage] = useState(
    /** @type {StageState<any>} */ ({ state: 'idle', result: null, error: null, tookS: 0 }),
  );
  const current = useRef(new AbortController());

  const cancel = () => {
    current.current.abort();
    setStage((old) => (old.state === 'running' ? { ...old, state: 'cancelled' } : old));
  };
  useEffect(() => () => current.current.abort(), []);

  const run = async (/** @type {(signal: AbortSignal) => Promise<any>} */ work) => {
    current.current.abort();
    const { signal } = (current.current = new AbortController());
    const startedAt = performance.now();
    const update = (/** @type {Partial<StageState<any>>} */ change) => {
      const tookS = (performance.now() - startedAt) / 1000;
      if (!signal.aborted) setStage((old) => ({ ...old, ...change, tookS }));
    };
    update({ state: 'running', error: null });
    const timer = setInterval(() => update({}), TICK_MS);
    try {
      update({ state: 'done', result: await work(signal) });
    } catch (error) {
      update({ state: 'failed', error: /** @type {Error} */ (error) });
    } finally {
      clearInterval(timer);
    }
  };
  return { stage, run, cancel };
}
