/** The frame of the page: header, navigation, language, API key, and the view that the address names. */
import { KeyDialog } from './components/key_dialog.js';
import { AppContext } from './lib/context.js';
import { html, useCallback, useEffect, useMemo, useState } from './lib/dom.js';
import { LANGUAGES, loadLanguage, rememberLanguage } from './lib/i18n.js';
import { readHash, writeHash } from './lib/location.js';
import { VIEWS } from './views.js';

/** @typedef {(refused: boolean) => Promise<string | null>} AskKey */
/** @typedef {{language: string, t: import('./lib/i18n.js').Translate}} Language */

/** @param {{api: import('./lib/api.js').Api, initial: Language, setAskKey: (ask: AskKey) => void}} props */
export function Shell({ api, initial, setAskKey }) {
  const [language, setLanguage] = useState(initial);
  const [question, setQuestion] = useState(
    /** @type {{isRefused: boolean, onAnswer: (key: string | null) => void} | null} */ (null),
  );
  const [address, setAddress] = useState({ ...readHash(location.hash), visit: 0 });
  const { t } = language;

  useEffect(() => {
    setAskKey(
      (isRefused) =>
        new Promise((resolve) => {
          const onAnswer = (/** @type {string | null} */ key) => {
            setQuestion(null);
            resolve(key);
          };
          setQuestion({ isRefused, onAnswer });
        }),
    );
    const onHashChange = () => setAddress((old) => ({ ...readHash(location.hash), visit: old.visit + 1 }));
    addEventListener('hashchange', onHashChange);
    return () => removeEventListener('hashchange', onHashChange);
  }, [setAskKey]);

  const change = async (/** @type {string} */ tag) => {
    rememberLanguage(tag);
    setLanguage({ language: tag, t: await loadLanguage(tag) });
  };

  const enterKey = async () => {
    if (await api.enterKey()) setAddress((old) => ({ ...readHash(location.hash), visit: old.visit + 1 }));
  };

  const view = VIEWS.find(({ id }) => id === address.view) ?? VIEWS[0];
  const [loaded, setLoaded] = useState(/** @type {Record<string, import('./views.js').View>} */ ({}));
  useEffect(() => {
    view.load().then((component) => setLoaded((old) => ({ ...old, [view.id]: component })));
  }, [view]);
  const Component = loaded[view.id];
  const onParams = useCallback(
    (/** @type {URLSearchParams} */ params) => history.replaceState(null, '', writeHash(view.id, params)),
    [view.id],
  );
  const app = useMemo(() => ({ api, ...language }), [api, language]);
  return html`<${AppContext.Provider} value=${app}>
    <header>
      <h1>Voxgate</h1>
      ${VIEWS.length > 1 &&
      html`<nav aria-label=${t('views')}>
        ${VIEWS.map(
          ({ id }) => html`<a href="#${id}" aria-current=${id === view.id ? 'page' : undefined}>${t(`view.${id}`)}</a>`,
        )}
      </nav>`}
      <span class="spacer"></span>
      <a href="../docs">${t('docs')}</a>
      <button type="button" class="small" onClick=${enterKey}>${t('key.button')}</button>
      <select
        aria-label=${t('language')}
        value=${language.language}
        onChange=${(/** @type {any} */ event) => change(event.target.value)}
      >
        ${Object.entries(LANGUAGES).map(
          ([tag, name]) =>
            html`<option value=${tag} lang=${tag} selected=${tag === language.language}>${name}</option>`,
        )}
      </select>
    </header>
    <main>
      ${Component && html`<${Component} key="${view.id} ${address.visit}" params=${address.params} onParams=${onParams} />`}
    </main>
    ${question && html`<${KeyDialog} ...${question} />`}
  <//>`;
}
