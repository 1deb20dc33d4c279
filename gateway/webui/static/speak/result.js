/** The audio of the last request: waveform, figures, download, and programs that repeat it. */
import { wavFile } from '../audio/pcm.js';
import { CopyButton } from '../components/copy_button.js';
import { Waveform } from '../components/waveform.js';
import { useApp } from '../lib/context.js';
import { html, useEffect, useState } from '../lib/dom.js';
import { clock, delay } from '../lib/numbers.js';
import { saveFile } from '../lib/save_file.js';
import { curlCall, httpxCall, javascriptCall, openaiCall } from './calls.js';
import { FORMATS } from '../request/settings.js';

const CALLS = { 'curl': curlCall, 'Python (httpx)': httpxCall, 'Python (openai)': openaiCall, 'JavaScript': javascriptCall };

const fileName = (/** @type {string} */ format) => `speech.${FORMATS[format]}`;

/** @param {{speech: import('./use_speech.js').Speech, replay: () => void, format: string}} props */
export function Result({ speech, replay, format }) {
  const { t } = useApp();
  if (!speech.durationS && !speech.traces.count) return null;
  const figures = [
    ['queue', delay(speech.queueS)],
    ['first_audio', speech.firstAudioS === null ? '–' : delay(speech.firstAudioS)],
    ['total', speech.totalS === null ? '…' : delay(speech.totalS)],
    ['duration', `${speech.durationS.toFixed(2)} s`],
    ['rtf', speech.synthesisS === null || !speech.durationS ? '…' : (speech.synthesisS / speech.durationS).toPrecision(2)],
    ['seed', String(speech.body.seed)],
  ];
  return html`<div class="result">
    <${Waveform}
      peaks=${speech.peaks}
      durationS=${speech.durationS}
      positionS=${speech.positionS}
      label=${t('waveform')}
    />
    <p class="position">${clock(speech.positionS)} / ${clock(speech.durationS)}</p>
    <${Seen} speech=${speech} />
    <dl>
      ${figures.map(([name, value]) => html`<div><dt title=${t(`${name}.title`)}>${t(name)}</dt><dd data-figure=${name}>${value}</dd></div>`)}
    </dl>
    <div class="buttons">
      <button type="button" onClick=${replay} disabled=${!speech.isComplete}>${t('replay')}</button>
      <${Download} speech=${speech} format=${format} />
    </div>
    ${speech.isComplete && html`<${Calls} body=${speech.body} format=${format} />`}
  </div>`;
}

/** The pictures, whose modules are loaded with the first audio. @param {{speech: import('./use_speech.js').Speech}} props */
function Seen({ speech }) {
  const [See, setSee] = useState(/** @type {any} */ (null));
  useEffect(() => {
    import('../see/see.js').then((module) => setSee(() => module.See));
  }, []);
  return See && html`<${See} speech=${speech} />`;
}

/** @param {{speech: import('./use_speech.js').Speech, format: string}} props */
function Download({ speech, format }) {
  const { api, t } = useApp();
  const [state, setState] = useState('');
  const save = async () => {
    setState('busy');
    try {
      saveFile(await file(), fileName(format));
      setState('');
    } catch (error) {
      setState(/** @type {Error} */ (error).message);
    }
  };
  /** The audio that is here already, or the same request in another format: the seed makes it the same audio. */
  const file = async () => {
    if (format === 'wav') return wavFile(speech.chunks, speech.rateHz);
    if (format === 'pcm') return new Blob(speech.chunks);
    // Not streamed: some players need the length that a streamed file's header lacks.
    return (await api.post('tts', { ...speech.body, format })).blob();
  };
  return html`<button type="button" onClick=${save} disabled=${!speech.isComplete || state === 'busy'}>
      ${t('download', { format })}
    </button>
    ${state && state !== 'busy' && html`<p class="error" role="alert">${state}</p>`}`;
}

/** @param {{body: Record<string, unknown>, format: string}} props */
function Calls({ body, format }) {
  const { api, t } = useApp();
  const [chosen, choose] = useState(/** @type {keyof typeof CALLS} */ ('curl'));
  const { reference_audio: clip, ...fields } = body;
  const clipFile = clip instanceof File ? clip.name : '';
  const call = { base: api.base.href, body: { ...fields, format }, clipFile, file: fileName(format), withKey: Boolean(api.key) };
  const code = CALLS[chosen](call);
  return html`<details class="calls">
    <summary>${t('calls')}</summary>
    <div class="buttons" role="group" aria-label=${t('calls')}>
      ${Object.keys(CALLS).map(
        (name) => html`<button
          type="button"
          class="small"
          aria-pressed=${name === chosen}
          onClick=${() => choose(/** @type {keyof typeof CALLS} */ (name))}
        >
          ${name}
        </button>`,
      )}
      <${CopyButton} text=${code} />
    </div>
    <pre tabindex="0"><code>${code}</code></pre>
  </details>`;
}
