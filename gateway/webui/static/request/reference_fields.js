/** A clip of the voice for this request, which can be stored as a voice. */
import { ClipField } from '../clip/clip_field.js';
import { Field } from '../components/field.js';
import { ApiError } from '../lib/api.js';
import { useApp } from '../lib/context.js';
import { html, useEffect, useState } from '../lib/dom.js';
import { errorText } from '../lib/error_text.js';
import { storeRequest } from '../voices/store_request.js';

/**
 * @typedef {object} ReferenceFieldsProps
 * @property {import('./reference.js').Reference} reference
 * @property {(reference: import('./reference.js').Reference) => void} onReference
 * @property {import('../clip/clip.js').ClipRules | null} rules
 * @property {(name: string) => string | null} errorOf
 * @property {(voice: {id: string}) => void} onStored
 */

/** @param {ReferenceFieldsProps} props */
export function ReferenceFields({ reference, onReference, rules, errorOf, onStored }) {
  const { t } = useApp();
  const { clip, transcript } = reference;
  const isAtFault = Boolean(errorOf('reference_audio') || errorOf('reference_text'));
  const [isOpen, setIsOpen] = useState(false);
  useEffect(() => setIsOpen((old) => old || isAtFault), [isAtFault]);
  const [storeError, setStoreError] = useState(/** @type {Error | null} */ (null));
  const ofStoring = (/** @type {string} */ param) => (storeError instanceof ApiError && storeError.param === param ? storeError.message : null);
  return html`<details class="reference" open=${isOpen} onToggle=${(/** @type {any} */ event) => setIsOpen(event.currentTarget.open)}>
    <summary>${t('reference')}</summary>
    <${ClipField}
      name="reference_audio"
      label=${t('clip')}
      clip=${clip}
      onClip=${(/** @type {any} */ chosen) => onReference({ ...reference, clip: chosen })}
      rules=${rules}
      error=${errorOf('reference_audio') ?? ofStoring('audio')}
    />
    ${clip &&
    html`<${Field} name="reference_text" label=${t('transcript')} hint=${t('transcript.hint')} error=${errorOf('reference_text') ?? ofStoring('transcript')}>
        ${(/** @type {any} */ attributes) => html`<textarea
          ...${attributes}
          rows="2"
          value=${transcript}
          onInput=${(/** @type {any} */ event) => onReference({ ...reference, transcript: event.target.value })}
        ></textarea>`}
      <//>
      <${StoreFields} reference=${reference} error=${storeError} setError=${setStoreError} onStored=${onStored} />`}
  </details>`;
}

/**
 * @param {{reference: import('./reference.js').Reference, error: Error | null, setError: (error: Error | null) => void,
 *     onStored: (voice: {id: string}) => void}} props
 */
function StoreFields({ reference, error, setError, onStored }) {
  const { api, t } = useApp();
  const [name, setName] = useState('');
  const isOurs = !(error instanceof ApiError && (error.param === 'audio' || error.param === 'transcript'));
  const store = async () => {
    setError(null);
    try {
      const { clip, transcript } = reference;
      onStored(await (await api.post('v1/voices', storeRequest({ name, transcript }, clip))).json());
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  };
  // Enter stores; it would submit the form and speak.
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== 'Enter' || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    store();
  };
  return html`<${Field} name="store_name" label=${t('voices.name')} hint=${t('reference.store_hint')} error=${error && isOurs ? errorText(error, t) : null}>
      ${(/** @type {any} */ attributes) => html`<input
        ...${attributes}
        autocomplete="off"
        value=${name}
        onInput=${(/** @type {any} */ event) => setName(event.target.value)}
        onKeyDown=${onKeyDown}
      />`}
    <//>
    <div class="buttons"><button type="button" class="small" onClick=${store}>${t('voices.store')}</button></div>`;
}
