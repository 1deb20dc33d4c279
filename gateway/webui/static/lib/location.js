/** The view and its settings in the hash of the address, which is not sent to servers. */

/**
 * @param {string} hash such as `#speak?text=Hello`
 * @returns {{view: string, params: URLSearchParams}}
 */
export function readHash(hash) {
  const [view, ...rest] = hash.replace(/^#/, '').split('?');
  return { view, params: new URLSearchParams(rest.join('?')) };
}

/**
 * @param {string} view
 * @param {URLSearchParams} params
 */
export function writeHash(view, params) {
  const query = params.toString();
  return `#${view}${query && '?'}${query}`;
}
