/** What belongs to the voice of a request: listening to it, or a clip in its place. */
import { html, useMemo } from '../lib/dom.js';
import { ReferenceFields } from '../request/reference_fields.js';
import { AuditionButton } from '../voices/audition_button.js';
import { useAudition } from '../voices/use_audition.js';

/**
 * @typedef {object} VoiceFieldsProps
 * @property {import('../request/settings.js').Settings} settings
 * @property {import('../request/use_engines.js').Engine | undefined} engine
 * @property {import('../request/use_engines.js').Voice[]} voices
 * @property {import('../clip/check.js').ClipLimits | null} clipLimits
 * @property {import('../request/reference.js').Reference} reference
 * @property {(reference: import('../request/reference.js').Reference) => void} onReference
 * @property {(name: string) => string | null} errorOf
 * @property {(voice: {id: string}) => void} onStored
 */

/** @param {VoiceFieldsProps} props */
export function VoiceFields({ settings, engine, voices, clipLimits, reference, onReference, errorOf, onStored }) {
  const { audition, play, stop } = useAudition();
  const rules = useMemo(() => clipLimits && { limits: clipLimits, engines: engine ? [engine] : [] }, [clipLimits, engine]);
  const voice = voices.find(({ id, kind, engine: its }) => id === settings.voice && (kind === 'stored' || its === engine?.name));
  const listen = () =>
    play('voice', {
      voice: settings.voice || undefined,
      isStored: voice?.kind === 'stored',
      engine: engine?.name,
      languages: [settings.language, voice?.language, ...(engine?.languages ?? [])],
    });
  return html`<div class="voice-fields">
    ${!reference.clip &&
    html`<${AuditionButton} name=${voice?.name ?? settings.voice} audition=${audition} play=${listen} stop=${stop} />`}
    <${ReferenceFields} reference=${reference} onReference=${onReference} rules=${rules} errorOf=${errorOf} onStored=${onStored} />
  </div>`;
}
