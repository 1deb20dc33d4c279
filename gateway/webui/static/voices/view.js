/** Voices: listen to them, store, rename, delete, export and import them. */
import { useApp } from '../lib/context.js';
import { html, useEffect, useMemo, useRef, useState } from '../lib/dom.js';
import { errorText } from '../lib/error_text.js';
import { useEngines } from '../request/use_engines.js';
import { AddVoice } from './add_voice.js';
import { NOTHING, useAudition } from './use_audition.js';
import { useExchange } from './use_exchange.js';
import { VoiceItem } from './voice_item.js';

const FILE_NAME = 'voices.json';

/** @param {import('../views.js').ViewProps} props */
export function VoicesView({ params, onParams }) {
  const { api, t } = useApp();
  const [find, setFind] = useState(params.get('find') ?? '');
  const { audition, play, stop } = useAudition();
  const { engines, voices, clipLimits, error, refreshVoices } = useEngines(audition.state === 'waiting');
  const { exchange, exportVoices, importVoices, cancel } = useExchange();
  const [note, setNote] = useState('');
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => onParams(new URLSearchParams(find && { find })), [find, onParams]);

  const rules = useMemo(() => clipLimits && { limits: clipLimits, engines }, [clipLimits, engines]);
  const stored = voices.filter(({ kind }) => kind === 'stored');
  const wanted = find.trim().toLowerCase();
  const shown = voices.filter((voice) =>
    [voice.name, voice.language, voice.engine, voice.description, voice.transcript].some((text) => text?.toLowerCase().includes(wanted)),
  );
  const change = async (/** @type {import('../request/use_engines.js').Voice} */ voice, /** @type {string} */ name) => {
    await api.send('PATCH', `v1/voices/${voice.id}`, { name });
    await refreshVoices();
  };
  const remove = async (/** @type {import('../request/use_engines.js').Voice} */ voice) => {
    await api.fetch(`v1/voices/${voice.id}`, { method: 'DELETE' });
    await refreshVoices();
    heading.current?.focus(); // the button that had the focus is gone
  };
  const onStored = (/** @type {import('../request/use_engines.js').Voice} */ voice) => {
    setNote(t('voices.stored', { name: voice.name }));
    refreshVoices();
  };
  const takeFile = async (/** @type {any} */ event) => {
    const [file] = event.target.files;
    event.target.value = '';
    if (!file) return;
    await importVoices(file);
    await refreshVoices();
  };
  return html`<div class="speak">
    <section aria-labelledby="voices-title">
      <h2 id="voices-title" tabindex="-1" ref=${heading}>${t('view.voices')}</h2>
      <div class="buttons tools">
        <input
          type="search"
          aria-label=${t('voices.find')}
          placeholder=${t('voices.find')}
          value=${find}
          onInput=${(/** @type {any} */ event) => setFind(event.target.value)}
        />
        <button type="button" disabled=${!stored.length || exchange.action} onClick=${() => exportVoices(stored, FILE_NAME)}>
          ${t('voices.export_all')}
        </button>
        <label class="button">
          ${t('voices.import')}
          <input type="file" accept=".json,application/json" disabled=${Boolean(exchange.action)} onChange=${takeFile} />
        </label>
      </div>
      <${ExchangeStatus} exchange=${exchange} cancel=${cancel} />
      <p class="status" role="status">${note}</p>
      <div role="alert">${error && html`<p class="error">${errorText(error, t)}</p>`}</div>
      <ul class="voices">
        ${shown.map((voice) => {
          const key = `${voice.engine ?? ''}/${voice.id}`;
          const languages = [voice.language, ...(engines.find(({ name }) => name === voice.engine)?.languages ?? [])];
          return html`<${VoiceItem}
            key=${key}
            voice=${voice}
            audition=${audition.id === key ? audition : NOTHING}
            play=${() => play(key, { voice: voice.id, isStored: voice.kind === 'stored', engine: voice.engine, languages })}
            stop=${stop}
            rename=${(/** @type {string} */ name) => change(voice, name)}
            remove=${() => remove(voice)}
            save=${() => exportVoices([voice], `${voice.name}.voice.json`)}
          />`;
        })}
      </ul>
      ${!shown.length && clipLimits && html`<p class="hint">${t('voices.none')}</p>`}
    </section>
    <section aria-label=${t('voices.add')}>
      <${AddVoice} rules=${rules} onStored=${onStored} />
    </section>
  </div>`;
}

/** @param {{exchange: import('./use_exchange.js').Exchange, cancel: () => void}} props */
function ExchangeStatus({ exchange, cancel }) {
  const { t } = useApp();
  const { action, done, total, imported, error } = exchange;
  const results = imported.map(({ name, isNew, error: refusal }) => {
    const text = refusal ? `${name}: ${errorText(refusal, t)}` : t(isNew ? 'import.stored' : 'import.known', { name });
    return html`<li class=${refusal ? 'error' : ''}>${text}</li>`;
  });
  return html`<div aria-live="polite">
    ${action &&
    html`<div class="recorder">
      <progress aria-label=${t(`voices.${action}`)} value=${done} max=${total}></progress>
      <span>${done} / ${total}</span>
      <button type="button" class="small" onClick=${cancel}>${t('key.cancel')}</button>
    </div>`}
    ${results.length > 0 && html`<ul class="imported">${results}</ul>`}
    ${error && html`<p class="error">${errorText(error, t)}</p>`}
  </div>`;
}
