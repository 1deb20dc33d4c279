/** Speak: a text, an engine and its settings, heard while it is synthesized. */
import { ApiError } from '../lib/api.js';
import { useApp } from '../lib/context.js';
import { html, useEffect, useMemo, useRef, useState } from '../lib/dom.js';
import { schemaFields } from '../lib/schema_fields.js';
import { EnginePicker } from '../request/engine_picker.js';
import { OptionFields } from '../request/option_fields.js';
import { Result } from './result.js';
import { VoiceFields } from './voice_fields.js';
import { NO_REFERENCE, withReference } from '../request/reference.js';
import { fieldAtFault, fromParams, speechRequest, toParams } from '../request/settings.js';
import { shownFields } from '../request/shown_fields.js';
import { SettingFields } from '../request/setting_fields.js';
import { Status } from './status.js';
import { TextField } from './text_field.js';
import { useEngines, voicesOf } from '../request/use_engines.js';
import { isActive, useSpeech } from './use_speech.js';
import { useSpokenText } from './use_spoken_text.js';

const LINK_PAUSE_MS = 300;

/** @param {import('../views.js').ViewProps} props */
export function SpeakView({ params, onParams }) {
  const { api, t } = useApp();
  const [settings, setSettings] = useState(() => fromParams(params));
  const [reference, setReference] = useState(NO_REFERENCE);
  const { speech, speak, stop, replay } = useSpeech();
  const { engines, voices, clipLimits, defaultEngine, error: listError, refresh, refreshVoices, load } = useEngines(speech.state === 'waiting');
  const engine = engines.find(({ name }) => name === (settings.engine || defaultEngine));
  const fields = useMemo(() => schemaFields(engine?.options_schema), [engine?.options_schema]);
  const { spoken, error: textError } = useSpokenText(settings, engine?.state === 'ready');
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));

  const set = (/** @type {Partial<import('../request/settings.js').Settings>} */ change) =>
    setSettings((old) => ({ ...old, ...change }));
  const setOption = (/** @type {string} */ name, /** @type {string} */ value) =>
    setSettings((old) => ({ ...old, options: { ...old.options, [name]: value } }));

  useEffect(() => {
    const timer = setTimeout(() => onParams(toParams(settings)), LINK_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [settings, onParams]);

  const start = (/** @type {string} */ seed) => {
    api.askAgain();
    set({ seed });
    speak(withReference(speechRequest({ ...settings, seed }, fields), reference), engine?.sample_rate ?? undefined).then(refresh);
  };
  const onStored = async (/** @type {{id: string}} */ voice) => {
    await refreshVoices();
    set({ voice: voice.id });
    setReference(NO_REFERENCE);
  };
  const keys = useRef((/** @type {KeyboardEvent} */ _event) => undefined);
  keys.current = (event) => {
    if (document.querySelector('dialog[open]')) return;
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.repeat) {
      event.preventDefault();
      start(settings.seed);
    } else if (event.key === 'Escape') stop();
  };
  useEffect(() => {
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => keys.current(event);
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);

  const names = ['text', 'reference_audio', 'reference_text', ...shownFields(engine, fields)];
  const error = speech.error ?? textError;
  const atFault = error instanceof ApiError ? fieldAtFault(error.param, names) : null;
  const errorOf = (/** @type {string} */ name) => (error && atFault === name ? error.message : null);
  const otherError = error && !atFault ? error : listError;
  useEffect(() => {
    if (speech.error) /** @type {HTMLElement | null | undefined} */ (form.current?.querySelector('[aria-invalid]'))?.focus();
  }, [speech.error]);

  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    start(settings.seed);
  };
  const usedSeed = speech.body.seed === undefined ? '' : String(speech.body.seed);
  return html`<form class="speak" ref=${form} onSubmit=${submit} noValidate>
    <section class="work" aria-label=${t('view.speak')}>
      <${TextField} settings=${settings} set=${set} spoken=${spoken} errorOf=${errorOf} />
      <div class="buttons">
        <button class="primary" title="Ctrl+Enter">${t('speak')}</button>
        <button type="button" onClick=${stop} disabled=${!isActive(speech)} title="Esc">${t('stop')}</button>
        <button type="button" onClick=${() => start(usedSeed)} disabled=${!usedSeed} title=${t('again.title')}>
          ${t('again')}
        </button>
        <button type="button" onClick=${() => start('')} disabled=${!usedSeed} title=${t('new.title')}>
          ${t('new')}
        </button>
      </div>
      <${Status} speech=${speech} engine=${engine} error=${otherError} />
      <${Result} speech=${speech} replay=${replay} format=${settings.format} />
    </section>
    <section class="settings" aria-label=${t('settings')}>
      <${EnginePicker} engines=${engines} engine=${engine} settings=${settings} set=${set} load=${load} errorOf=${errorOf} />
      <${SettingFields}
        settings=${settings}
        set=${set}
        voices=${voicesOf(engine, voices)}
        languages=${engine?.languages ?? []}
        errorOf=${errorOf}
        isVoiceUnused=${Boolean(reference.clip)}
        belowVoice=${html`<${VoiceFields}
          settings=${settings}
          engine=${engine}
          voices=${voices}
          clipLimits=${clipLimits}
          reference=${reference}
          onReference=${setReference}
          errorOf=${errorOf}
          onStored=${onStored}
        />`}
      />
      <${OptionFields} fields=${fields} isKnown=${Boolean(engine?.options_schema)} knownFrom=${engine?.known_from} texts=${settings.options} setOption=${setOption} errorOf=${errorOf} />
    </section>
  </form>`;
}
