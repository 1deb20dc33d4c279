/** What every view can use, without passing it through all components. */
import { createContext, useContext } from './dom.js';

/**
 * @typedef {object} App
 * @property {import('./api.js').Api} api
 * @property {import('./i18n.js').Translate} t
 * @property {string} language
 */

export const AppContext = createContext(/** @type {App | null} */ (null));

/** @returns {App} */
export function useApp() {
  const app = useContext(AppContext);
  if (!app) throw new Error('useApp() outside of AppContext.Provider');
  return app;
}
