/** The engines' state, and loading and unloading them. */
import { useApp } from '../lib/context.js';
import { useState } from '../lib/dom.js';
import { usePolling } from './use_polling.js';

const BUSY_PAUSE_MS = 500; // while an engine is loading or stopping

/**
 * @typedef {object} EngineState
 * @property {string} name
 * @property {string} backend
 * @property {'unloaded' | 'loading' | 'ready' | 'failed' | 'stopping'} state
 * @property {string | null} model
 * @property {string} device
 * @property {string | null} dtype
 * @property {number | null} memory_bytes
 * @property {{waiting: number, active: number, limit: number}} queue
 * @property {number} replicas
 * @property {number} restarts
 * @property {{stage: string, done: number, total: number | null} | null} progress
 * @property {string | null} error
 * @property {number | null} retry_in_s
 */

/** @param {number} pauseMs between requests; 0: only one */
export function useOperation(pauseMs) {
  const { api } = useApp();
  const [engines, setEngines] = useState(/** @type {EngineState[]} */ ([]));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [failures, setFailures] = useState(/** @type {Record<string, Error | null>} */ ({}));
  const [isChanging, setChanging] = useState(false);

  const refresh = async (/** @type {AbortSignal} */ signal) => {
    try {
      setEngines((await api.get('v1/engines', signal)).engines);
      setError(null);
    } catch (failure) {
      if (!signal.aborted) setError(/** @type {Error} */ (failure));
    }
  };
  const isBusy = isChanging || engines.some(({ state }) => state === 'loading' || state === 'stopping');
  usePolling(refresh, isBusy ? BUSY_PAUSE_MS : pauseMs);

  const change = async (/** @type {string} */ name, /** @type {'load' | 'unload'} */ action) => {
    api.askAgain();
    setChanging(true);
    setFailures((old) => ({ ...old, [name]: null }));
    try {
      const info = await (await api.fetch(`v1/engines/${name}/${action}`, { method: 'POST' })).json();
      setEngines((old) => old.map((engine) => (engine.name === name ? info : engine)));
    } catch (failure) {
      setFailures((old) => ({ ...old, [name]: /** @type {Error} */ (failure) }));
    }
    setChanging(false);
  };
  return { engines, error, failures, change };
}
