/** Converse: a live session, whose text is spoken while it is still being written, and can be interrupted. */
import { ApiError } from '../lib/api.js';
import { useApp } from '../lib/context.js';
import { html, useEffect, useMemo, useRef, useState } from '../lib/dom.js';
import { schemaFields } from '../lib/schema_fields.js';
import { EnginePicker } from '../request/engine_picker.js';
import { OptionFields } from '../request/option_fields.js';
import { SettingFields } from '../request/setting_fields.js';
import { fieldAtFault, speechRequest } from '../request/settings.js';
import { shownFields } from '../request/shown_fields.js';
import { useEngines, voicesOf } from '../request/use_engines.js';
import { PasteField, TypeField } from './input_fields.js';
import { splitTyped } from './pacing.js';
import { isPlaying } from './session.js';
import { liveFromParams, liveToParams, piecesPerS } from './settings.js';
import { Status } from './status.js';
import { TranscriptView } from './transcript_view.js';
import { useConversation } from './use_conversation.js';

const LINK_PAUSE_MS = 300;
const MODES = /** @type {const} */ (['type', 'paste']);

/** @typedef {import('../request/settings.js').Settings} Settings */

/** @param {import('../views.js').ViewProps} props */
export function ConverseView({ params, onParams }) {
  const { t } = useApp();
  const [settings, setSettings] = useState(() => liveFromParams(params));
  const [typed, setTyped] = useState('');
  const [isWaiting, setWaiting] = useState(false);
  const { engines, voices, defaultEngine, error: listError, load } = useEngines(isWaiting);
  const { request, mode } = settings;
  const engine = engines.find(({ name }) => name === (request.engine || defaultEngine));
  const fields = useMemo(() => schemaFields(engine?.options_schema), [engine?.options_schema]);
  const startFields = () => {
    const start = speechRequest(request, fields);
    delete start.text;
    return start;
  };
  const { conversation, sending, ensure, stream, interrupt, end, close } = useConversation(startFields, engine?.sample_rate ?? undefined);
  const { phase } = conversation;
  useEffect(() => setWaiting(phase === 'connecting'), [phase]);

  const set = (/** @type {Partial<import('./settings.js').LiveSettings>} */ change) => setSettings((old) => ({ ...old, ...change }));
  const setRequest = (/** @type {Partial<Settings>} */ change) =>
    setSettings((old) => ({ ...old, request: { ...old.request, ...change } }));
  const setOption = (/** @type {string} */ name, /** @type {string} */ value) =>
    setSettings((old) => ({ ...old, request: { ...old.request, options: { ...old.request.options, [name]: value } } }));
  useEffect(() => {
    const timer = setTimeout(() => onParams(liveToParams(settings)), LINK_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [settings, onParams]);

  const rate = useRef('');
  rate.current = settings.rate;
  const onTyped = (/** @type {string} */ text, /** @type {boolean} */ isComposing) => {
    const [complete, rest] = isComposing ? ['', text] : splitTyped(text);
    if (complete) ensure().text(complete);
    setTyped(rest);
  };
  const isOpen = phase === 'connecting' || phase === 'open';
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (mode === 'paste') {
      if (request.text && !sending) stream(request.text, settings.unit, () => piecesPerS(rate.current));
      return;
    }
    if (!typed && !isOpen) return;
    const session = ensure();
    session.text(typed);
    session.flush();
    setTyped('');
  };

  const canInterrupt = isOpen || phase === 'ending' || isPlaying(conversation);
  const keys = useRef((/** @type {KeyboardEvent} */ _event) => undefined);
  keys.current = (event) => {
    if (document.querySelector('dialog[open]')) return;
    if (event.key === 'Escape' && canInterrupt) interrupt();
    else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.repeat && mode === 'paste') submit(event);
  };
  useEffect(() => {
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => keys.current(event);
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);

  const { error } = conversation;
  const names = [...shownFields(engine, fields), ...(mode === 'paste' ? ['text'] : [])];
  const atFault = error instanceof ApiError ? fieldAtFault(error.param, names) : null;
  const errorOf = (/** @type {string} */ name) => (error && atFault === name ? error.message : null);
  return html`<form class="speak" onSubmit=${submit} noValidate>
    <section class="work" aria-label=${t('view.converse')}>
      <p class="hint">${t('converse.about')}</p>
      <div class="buttons" role="group" aria-label=${t('converse.mode')}>
        ${MODES.map(
          (one) => html`<button type="button" class="small" aria-pressed=${one === mode} onClick=${() => set({ mode: one })}>
            ${t(`converse.${one}`)}
          </button>`,
        )}
      </div>
      ${mode === 'type'
        ? html`<${TypeField} typed=${typed} onTyped=${onTyped} />`
        : html`<${PasteField} settings=${settings} set=${set} setText=${(/** @type {string} */ text) => setRequest({ text })} error=${errorOf('text')} />`}
      <div class="buttons">
        <button class="primary" title=${mode === 'type' ? 'Enter' : 'Ctrl+Enter'} disabled=${Boolean(sending)}>
          ${t(mode === 'type' ? 'converse.flush' : 'converse.send')}
        </button>
        <button type="button" onClick=${interrupt} disabled=${!canInterrupt} title="Esc">${t('converse.interrupt')}</button>
        <button type="button" onClick=${end} disabled=${!isOpen}>${t('converse.end')}</button>
        <button type="button" onClick=${close} disabled=${phase === 'idle'}>${t('converse.new')}</button>
      </div>
      <${Status} conversation=${conversation} sending=${sending} engine=${engine} error=${error && !atFault ? error : listError} />
      <${TranscriptView} conversation=${conversation} />
    </section>
    <section class="settings" aria-label=${t('settings')}>
      ${isOpen && html`<p class="hint">${t('converse.applies')}</p>`}
      <${EnginePicker} engines=${engines} engine=${engine} settings=${request} set=${setRequest} load=${load} errorOf=${errorOf} />
      <${SettingFields}
        settings=${request}
        set=${setRequest}
        voices=${voicesOf(engine, voices)}
        languages=${engine?.languages ?? []}
        errorOf=${errorOf}
        hasFormat=${false}
      />
      <${OptionFields}
        fields=${fields}
        isKnown=${Boolean(engine?.options_schema)}
        knownFrom=${engine?.known_from}
        texts=${request.options}
        setOption=${setOption}
        errorOf=${errorOf}
      />
    </section>
  </form>`;
}
