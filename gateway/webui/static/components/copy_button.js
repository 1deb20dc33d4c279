/** A button that copies a text. Pages over plain HTTP from another machine have no clipboard. */
import { useApp } from '../lib/context.js';
import { html, useState } from '../lib/dom.js';

/** @param {{text: string}} props */
export function CopyButton({ text }) {
  const { t } = useApp();
  const [copied, setCopied] = useState('');
  if (!navigator.clipboard) return null;
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(text), () => undefined);
  return html`<button type="button" class="small" onClick=${copy}>
    ${copied === text ? t('copied') : t('copy')}
  </button>`;
}
