/** The views of the page. A further view is a module and a line here; its title is the string `view.<id>`. */

/**
 * @typedef {object} ViewProps
 * @property {URLSearchParams} params settings from the address
 * @property {(params: URLSearchParams) => void} onParams writes settings to the address
 */

/** @typedef {(props: ViewProps) => any} View */

/** A view's module is loaded when it is opened.
 * @type {{id: string, load: () => Promise<View>}[]}
 */
export const VIEWS = [
  { id: 'speak', load: async () => (await import('./speak/view.js')).SpeakView },
  { id: 'converse', load: async () => (await import('./converse/view.js')).ConverseView },
  { id: 'compare', load: async () => (await import('./compare/view.js')).CompareView },
  { id: 'voices', load: async () => (await import('./voices/view.js')).VoicesView },
  { id: 'stages', load: async () => (await import('./stages/view.js')).StagesView },
  { id: 'operate', load: async () => (await import('./operate/view.js')).OperateView },
];
