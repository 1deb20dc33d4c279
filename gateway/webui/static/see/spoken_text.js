/** The text, with the part that is heard now marked. */
import { useApp } from '../lib/context.js';
import { html, useEffect, useRef } from '../lib/dom.js';
import { splitAt } from './segments.js';

/** @param {{text: string, segment: import('./segments.js').Segment | null}} props */
export function SpokenText({ text, segment }) {
  const { t } = useApp();
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const [box, mark] = [ref.current, ref.current?.querySelector('mark')];
    if (box && mark) box.scrollTop = mark.offsetTop - box.offsetTop - (box.clientHeight - mark.offsetHeight) / 2;
  }, [segment]);
  const [before, now, after] = splitAt(text, segment);
  return html`<p class="spoken-text" ref=${ref} tabindex="0" role="region" aria-label=${t('see.text')}>
    ${before}${now && html`<mark>${now}</mark>`}${after}
  </p>`;
}
