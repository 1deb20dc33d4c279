/** Start of the page. */
import { Api } from './lib/api.js';
import { html, render } from './lib/dom.js';
import { initialLanguage, loadLanguage } from './lib/i18n.js';
import { Shell } from './shell.js';

/** Set by the shell; requests that need a key wait for its answer. */
let askKey = (/** @type {boolean} */ _refused) => Promise.resolve(/** @type {string | null} */ (null));

// The page is at <prefix>/ui/, the API at <prefix>/.
const api = new Api(new URL('../', document.baseURI), (refused) => askKey(refused));
const language = initialLanguage();
const t = await loadLanguage(language);
const root = /** @type {HTMLElement} */ (document.getElementById('app'));
root.replaceChildren();
render(
  html`<${Shell} api=${api} initial=${{ language, t }} setAskKey=${(/** @type {typeof askKey} */ ask) => (askKey = ask)} />`,
  root,
);
