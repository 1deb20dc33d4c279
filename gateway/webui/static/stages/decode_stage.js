/** Stage 3: codes as audio. */
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';
import { CodesField, useCodes } from './codes_field.js';
import { codecError, decode } from './requests.js';
import { AudioResult } from './results.js';
import { Stage } from './stage.js';

/**
 * @typedef {object} DecodeStageProps
 * @property {import('./use_stage.js').Run<import('./requests.js').Audio>} decoding
 * @property {Record<string, import('../lib/npy.js').Codes | null>} sources results of the stages before
 * @property {import('../request/use_engines.js').Engine | undefined} engine
 * @property {string} source of the codes
 * @property {(source: string) => void} onSource
 */

/** @param {DecodeStageProps} props */
export function DecodeStage({ decoding, sources, engine, source, onSource }) {
  const { api } = useApp();
  const { codes, setFile } = useCodes(source, sources);
  const error = codecError(decoding.stage.error, 'tokens');
  const { result } = decoding.stage;
  const run = () =>
    engine && codes && decoding.run((/** @type {AbortSignal} */ signal) => decode(api, engine.name, codes, signal));
  return html`<${Stage}
    name="decode"
    ...${decoding}
    run=${run}
    engine=${engine}
    isComplete=${Boolean(codes)}
    isShown=${error}
    result=${result && html`<${AudioResult} result=${result} />`}
  >
    <${CodesField}
      name="codes"
      sources=${sources}
      source=${source}
      onSource=${onSource}
      onFile=${setFile}
      isOptional=${false}
      error=${error}
    />
  <//>`;
}
