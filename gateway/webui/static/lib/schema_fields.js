/** Form fields for the options of an engine, from its JSON schema. */

/**
 * @typedef {object} SchemaField
 * @property {string} name
 * @property {'number' | 'choice' | 'text' | 'json'} kind
 * @property {boolean} isText whether the value is a string
 * @property {string} description
 * @property {string} defaultText the default as text; empty: none
 * @property {string[]} choices
 * @property {number} [min]
 * @property {number} [max]
 * @property {number | 'any'} step
 */

/** @typedef {Record<string, any>} Schema */

/**
 * @param {Schema | null | undefined} schema of an object; null: not known yet
 * @returns {SchemaField[]}
 */
export function schemaFields(schema) {
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => {
    const inner = withoutNull(resolve(property, schema ?? {}), schema ?? {});
    const choices = choicesOf(inner);
    const type = inner.type;
    const isText = type === 'string' || (inner.enum ?? []).some((/** @type {unknown} */ one) => typeof one === 'string');
    const isNumber = type === 'number' || type === 'integer';
    const kind = choices.length ? 'choice' : isNumber ? 'number' : type === 'string' ? 'text' : 'json';
    const preset = property.default ?? inner.default;
    return {
      name,
      kind,
      choices,
      isText,
      description: property.description ?? inner.description ?? '',
      defaultText: preset === undefined || preset === null ? '' : asText(preset),
      min: inner.minimum ?? inner.exclusiveMinimum,
      max: inner.maximum ?? inner.exclusiveMaximum,
      step: type === 'integer' ? 1 : 'any',
    };
  });
}

/**
 * The options of a request. Invalid text and unknown options are sent, so that the API explains the error. While the
 * schema is not known yet, texts that are JSON are sent as such.
 * @param {SchemaField[]} fields
 * @param {Record<string, string>} texts what the user typed; empty: the default
 * @returns {Record<string, unknown>}
 */
export function optionValues(fields, texts) {
  /** @type {Record<string, unknown>} */
  const values = {};
  for (const [name, text] of Object.entries(texts)) {
    const isText = fields.find((field) => field.name === name)?.isText;
    if (text !== '') values[name] = isText ? text : parsed(text);
  }
  return values;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** @param {unknown} value */
function asText(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * @param {Schema} property
 * @param {Schema} root
 * @returns {Schema}
 */
function resolve(property, root) {
  const name = /^#\/\$defs\/(.+)$/.exec(property.$ref ?? '')?.[1];
  return name ? { ...root.$defs?.[name], ...property } : property;
}

/**
 * The only alternative beside null; a property with several is entered as JSON.
 * @param {Schema} property
 * @param {Schema} root
 * @returns {Schema}
 */
function withoutNull(property, root) {
  const alternatives = property.anyOf ?? property.oneOf;
  if (!alternatives) return property;
  const others = alternatives.filter((/** @type {Schema} */ one) => one.type !== 'null');
  return others.length === 1 ? resolve(others[0], root) : {};
}

/**
 * @param {Schema} property
 * @returns {string[]}
 */
function choicesOf(property) {
  if (property.type === 'boolean') return ['true', 'false'];
  return (property.enum ?? []).filter((/** @type {unknown} */ value) => value !== null).map(asText);
}
