/** The mel of a part of the text, from noise to speech, step by step. */
import { useApp } from '../lib/context.js';
import { html, useEffect, useId, useMemo, useState } from '../lib/dom.js';
import { melImage } from './images.js';
import { Picture } from './picture.js';

const STEP_MS = 400;

/** @param {{mel: import('./traces.js').Trace, count: number, fraction: number}} props count: number of its steps so far */
export function MelSteps({ mel, count, fraction }) {
  const { t } = useApp();
  const id = useId();
  const [chosen, choose] = useState(/** @type {number | null} */ (null)); // null: the last step
  const [isMoving, setMoving] = useState(false);
  const last = count - 1;
  const index = Math.min(chosen ?? last, last);
  useEffect(() => {
    if (!isMoving) return undefined;
    const timer = setTimeout(() => {
      if (index < last) choose(index + 1);
      else setMoving(false);
    }, STEP_MS);
    return () => clearTimeout(timer);
  }, [isMoving, index, last]);
  const part = mel.parts[index];
  const image = useMemo(() => melImage(part), [part]);
  const animate = () => {
    choose(0);
    setMoving(true);
  };
  const label = t('see.mel.step', { step: part.position });
  return html`<div>
    <${Picture} name="mel" image=${image} fraction=${fraction} label="${t('see.mel')}. ${label}" />
    <div class="steps">
      <label for=${id}>${label}</label>
      <input
        id=${id}
        type="range"
        min="0"
        max=${last}
        value=${index}
        onInput=${(/** @type {any} */ event) => {
          setMoving(false);
          choose(Number(event.target.value));
        }}
      />
      ${!matchMedia('(prefers-reduced-motion: reduce)').matches &&
      html`<button type="button" class="small" onClick=${animate} disabled=${isMoving}>${t('see.animate')}</button>`}
    </div>
  </div>`;
}
