/** The views of the page. A further view is a module and a line here; its title is the string `view.<id>`. */
import { SpeakView } from './speak/view.js';

/**
 * @typedef {object} ViewProps
 * @property {URLSearchParams} params settings from the address
 * @property {(params: URLSearchParams) => void} onParams writes settings to the address
 */

/** @type {{id: string, Component: (props: ViewProps) => any}[]} */
export const VIEWS = [{ id: 'speak', Component: SpeakView }];
