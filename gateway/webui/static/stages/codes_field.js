/** Where codes come from: a stage, or a file. */
import { Field } from '../components/field.js';
import { Select } from '../components/select.js';
import { useApp } from '../lib/context.js';
import { html, useState } from '../lib/dom.js';
import { MAX_BYTES, NpyError, readNpy } from '../lib/npy.js';

/** @typedef {import('../lib/npy.js').Codes} Codes */

/**
 * The chosen codes, and a setter for those of a file.
 * @param {string} source a stage, `file` or `none`
 * @param {Record<string, Codes | null>} sources
 */
export function useCodes(source, sources) {
  const [file, setFile] = useState(/** @type {Codes | null} */ (null));
  return { codes: source === 'file' ? file : (sources[source] ?? null), setFile };
}

/**
 * @typedef {object} CodesFieldProps
 * @property {string} name
 * @property {Record<string, Codes | null>} sources codes by the stage that made them; null: not there yet
 * @property {string} source the chosen one, `file`, or `none` if that is allowed
 * @property {(source: string) => void} onSource
 * @property {(codes: Codes | null) => void} onFile
 * @property {boolean} isOptional
 * @property {string | null} error
 */

/** @param {CodesFieldProps} props */
export function CodesField({ name, sources, source, onSource, onFile, isOptional, error }) {
  const { t } = useApp();
  const [fileError, setFileError] = useState(/** @type {string | null} */ (null));
  const names = [...Object.keys(sources), 'file', ...(isOptional ? ['none'] : [])];
  /** @type {[string, string][]} */
  const options = names.map((one) => [one, t(`stages.source.${one}`)]);
  const isMissing = source in sources && !sources[source];

  const read = async (/** @type {any} */ event) => {
    const [file] = event.target.files;
    setFileError(null);
    try {
      if (file?.size > MAX_BYTES) throw new NpyError('size', { size: file.size, max: MAX_BYTES });
      onFile(file ? readNpy(await file.arrayBuffer()) : null);
    } catch (failure) {
      onFile(null);
      const { reason, values, message } = /** @type {NpyError} */ (failure);
      setFileError(failure instanceof NpyError ? t(`npy.${reason}`, values) : message);
    }
  };
  return html`
    <${Field}
      name=${name}
      label=${t(`stages.${name}`)}
      hint=${isMissing ? t('stages.source.missing') : ''}
      error=${source === 'file' ? null : error}
    >
      ${(/** @type {any} */ attributes) =>
        html`<${Select} attributes=${attributes} value=${source} options=${options} onChange=${onSource} />`}
    <//>
    ${source === 'file' &&
    html`<${Field} name="${name}_file" label=${t('stages.codes_file')} hint=${t('npy.hint')} error=${fileError ?? error}>
      ${(/** @type {any} */ attributes) => html`<input ...${attributes} type="file" accept=".npy" onChange=${read} />`}
    <//>`}
  `;
}
