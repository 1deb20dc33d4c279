/** Which parameters have a field, at which an error can be shown. */

/**
 * @param {import('./use_engines.js').Engine | undefined} engine
 * @param {import('../lib/schema_fields.js').SchemaField[]} fields of the engine's options
 * @returns {string[]} the parameters that the fields of this folder are about
 */
export function shownFields(engine, fields) {
  const language = (engine?.languages ?? []).length > 1 ? ['language'] : [];
  return ['engine', 'voice', ...language, 'speed', 'seed', 'ssml', ...fields.map(({ name }) => `options.${name}`)];
}
