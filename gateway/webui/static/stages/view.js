/** Stages: the pipeline of Fish-Speech step by step. Each stage takes the codes of one before, or a file. */
import { useApp } from '../lib/context.js';
import { errorText } from '../lib/error_text.js';
import { html, useEffect, useState } from '../lib/dom.js';
import { EnginePicker } from '../request/engine_picker.js';
import { fromParams, toParams } from '../request/settings.js';
import { useEngines } from '../request/use_engines.js';
import { DecodeStage } from './decode_stage.js';
import { EncodeStage } from './encode_stage.js';
import { GenerateStage } from './generate_stage.js';
import { useStage } from './use_stage.js';

const LINK_PAUSE_MS = 300;
const PROMPT = 'encoded';
const CODES = 'generated';

/** @param {import('../views.js').ViewProps} props */
export function StagesView({ params, onParams }) {
  const { t } = useApp();
  const [settings, setSettings] = useState(() => fromParams(params));
  const [prompt, setPrompt] = useState(params.get('prompt') ?? PROMPT);
  const [codes, setCodes] = useState(params.get('codes') ?? CODES);
  const encoding = useStage();
  const generating = useStage();
  const decoding = useStage();
  const isRunning = [encoding, generating, decoding].some(({ stage }) => stage.state === 'running');
  const { engines, error, refresh, load } = useEngines(isRunning);
  useEffect(() => void refresh(), [isRunning, refresh]);

  // Whether an engine has a codec is known once it has been loaded.
  const candidates = engines.filter((one) => one.codec || !one.languages);
  const engine =
    candidates.find(({ name }) => name === settings.engine) ?? candidates.find((one) => one.codec) ?? candidates[0];
  const set = (/** @type {Partial<import('../request/settings.js').Settings>} */ change) =>
    setSettings((old) => ({ ...old, ...change }));

  useEffect(() => {
    const timer = setTimeout(() => {
      const written = toParams(settings);
      if (prompt !== PROMPT) written.set('prompt', prompt);
      if (codes !== CODES) written.set('codes', codes);
      onParams(written);
    }, LINK_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [settings, prompt, codes, onParams]);

  const encoded = encoding.stage.result?.codes ?? null;
  const generated = generating.stage.result?.codes ?? null;
  const picker = html`<${EnginePicker}
    engines=${candidates}
    engine=${engine}
    settings=${{ ...settings, engine: engine?.name ?? '' }}
    set=${set}
    load=${load}
    errorOf=${() => null}
  />`;
  return html`<div class="stages">
    <section aria-label=${t('settings')}>
      <p class="hint">${t('stages.about')}</p>
      ${engines.length && !engine ? html`<p>${t('stages.no_codec')}</p>` : picker}
      <div role="alert">${error && html`<p class="error">${errorText(error, t)}</p>`}</div>
    </section>
    ${engine &&
    html`
      <${EncodeStage} encoding=${encoding} engine=${engine} />
      <${GenerateStage}
        generating=${generating}
        encoded=${encoded}
        engine=${engine}
        settings=${settings}
        set=${set}
        source=${prompt}
        onSource=${setPrompt}
      />
      <${DecodeStage} decoding=${decoding} sources=${{ generated, encoded }} engine=${engine} source=${codes} onSource=${setCodes} />
    `}
  </div>`;
}
