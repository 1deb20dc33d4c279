/** Stage 1: a recording as codes. */
import { Field } from '../components/field.js';
import { useApp } from '../lib/context.js';
import { html, useState } from '../lib/dom.js';
import { useObjectUrl } from '../lib/object_url.js';
import { codecError, encode } from './requests.js';
import { CodesResult } from './results.js';
import { Stage } from './stage.js';

/**
 * @param {{encoding: import('./use_stage.js').Run<import('./requests.js').Codes>, engine: import('../request/use_engines.js').Engine | undefined}} props
 */
export function EncodeStage({ encoding, engine }) {
  const { api, t } = useApp();
  const [recording, setRecording] = useState(/** @type {File | null} */ (null));
  const url = useObjectUrl(recording);
  const error = codecError(encoding.stage.error, 'audios');
  const { result } = encoding.stage;
  const run = () =>
    engine && recording && encoding.run((/** @type {AbortSignal} */ signal) => encode(api, engine.name, recording, signal));
  return html`<${Stage}
    name="encode"
    ...${encoding}
    run=${run}
    engine=${engine}
    isComplete=${Boolean(recording)}
    isShown=${error}
    result=${result && html`<${CodesResult} result=${result} engine=${engine} name="fake.npy" />`}
  >
    <${Field} name="recording" label=${t('stages.recording')} hint=${t('stages.recording.hint')} error=${error}>
      ${(/** @type {any} */ attributes) => html`<input
        ...${attributes}
        type="file"
        accept="audio/*,video/webm,.amr,.caf,.au,.aiff"
        onChange=${(/** @type {any} */ event) => setRecording(event.target.files[0] ?? null)}
      />`}
    <//>
    ${url && html`<audio controls src=${url} aria-label=${t('stages.listen.recording')}></audio>`}
  <//>`;
}
