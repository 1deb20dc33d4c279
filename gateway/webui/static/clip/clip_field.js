/** The choice of a reference clip: a file or a recording, to listen to, with its quality. */
import { Field } from '../components/field.js';
import { useApp } from '../lib/context.js';
import { html, useEffect, useRef, useState } from '../lib/dom.js';
import { checkEngines } from './check.js';
import { readClip } from './clip.js';
import { Recorder } from './recorder.js';

// Formats that browsers may not count as audio.
const ACCEPTED = 'audio/*,video/webm,video/mp4,.amr,.caf,.au,.aiff,.aif';

/**
 * @typedef {object} ClipFieldProps
 * @property {string} name the parameter of the API
 * @property {string} label
 * @property {import('./clip.js').Clip | null} clip
 * @property {(clip: import('./clip.js').Clip | null) => void} onClip
 * @property {import('./clip.js').ClipRules | null} rules null: not known yet
 * @property {string | null} error
 */

/** @param {ClipFieldProps} props */
export function ClipField({ name, label, clip, onClip, rules, error }) {
  const { t } = useApp();
  const [problem, setProblem] = useState('');
  const [turn, setTurn] = useState(0);
  const latest = useRef(0);
  if (!rules) return null;
  const { limits } = rules;

  const take = async (/** @type {File | undefined} */ file) => {
    const mine = ++latest.current;
    setProblem('');
    onClip(null);
    if (!file) return;
    if (file.size > limits.max_bytes) {
      setProblem(t('clip.too_large', { size: megabytes(file.size), limit: megabytes(limits.max_bytes) }));
      return;
    }
    const read = await readClip(file, limits);
    if (mine === latest.current) onClip(read);
  };
  const clear = () => {
    setTurn(turn + 1); // a new file input, which names no file
    take(undefined);
  };
  const record = (/** @type {File} */ file) => {
    setTurn(turn + 1);
    take(file);
  };
  const hint = t('clip.hint', { min: limits.min_s, max: limits.max_s });
  return html`<div class="clip">
    <${Field} name=${name} label=${label} hint=${hint} error=${error || problem || null}>
      ${(/** @type {any} */ attributes) => html`<input
        key=${turn}
        ...${attributes}
        type="file"
        accept=${ACCEPTED}
        onChange=${(/** @type {any} */ event) => take(event.target.files[0])}
      />`}
    <//>
    <${Recorder} maxS=${limits.max_s} onRecording=${record} />
    ${clip && html`<${Listen} clip=${clip} remove=${clear} />`}
    <div aria-live="polite">${clip && html`<${Quality} clip=${clip} engines=${rules.engines} />`}</div>
  </div>`;
}

/** @param {{clip: import('./clip.js').Clip, remove: () => void}} props */
function Listen({ clip, remove }) {
  const { t } = useApp();
  const [url, setUrl] = useState('');
  useEffect(() => {
    const made = URL.createObjectURL(clip.file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [clip]);
  return html`<div class="listen">
    ${url && html`<audio controls src=${url} aria-label=${t('clip.listen', { name: clip.file.name })}></audio>`}
    <button type="button" class="small" onClick=${remove}>${t('clip.remove')}</button>
  </div>`;
}

/** @param {{clip: import('./clip.js').Clip, engines: import('./clip.js').ClipRules['engines']}} props */
function Quality({ clip, engines }) {
  const { t } = useApp();
  if (clip.durationS === null) return html`<p class="hint">${t('clip.unreadable')}</p>`;
  const findings = [...clip.findings, ...(clip.findings.some(({ isRefused }) => isRefused) ? [] : checkEngines(clip.durationS, engines))];
  if (!findings.length) return html`<p class="good">${t('clip.good', { seconds: clip.durationS.toFixed(1) })}</p>`;
  return html`<ul class="findings">
    ${findings.map(
      ({ kind, isRefused, values }) => html`<li class=${isRefused ? 'error' : 'warning'} data-finding=${kind}>${t(`clip.${kind}`, values)}</li>`,
    )}
  </ul>`;
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
