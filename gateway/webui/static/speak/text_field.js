/** The text, its length, and its spoken form. */
import { Field } from '../components/field.js';
import { useApp } from '../lib/context.js';
import { html } from '../lib/dom.js';

/**
 * @typedef {object} TextFieldProps
 * @property {import('../request/settings.js').Settings} settings
 * @property {(change: Partial<import('../request/settings.js').Settings>) => void} set
 * @property {import('./use_spoken_text.js').SpokenText | null} spoken
 * @property {(name: string) => string | null} errorOf
 */

/** @param {TextFieldProps} props */
export function TextField({ settings, set, spoken, errorOf }) {
  const { t } = useApp();
  const count = [...settings.text].length; // code points, as the API counts
  return html`<div>
    <${Field} name="text" label=${t('text')} hint=${t('text.count', { count })} error=${errorOf('text')}>
      ${(/** @type {any} */ attributes) => html`<textarea
        ...${attributes}
        rows="6"
        value=${settings.text}
        placeholder=${t('text.placeholder')}
        onInput=${(/** @type {any} */ event) => set({ text: event.target.value })}
      ></textarea>`}
    <//>
    ${spoken && html`<${Languages} tags=${spoken.languages} /><${Spoken} spoken=${spoken} />`}
  </div>`;
}

/** @param {{tags: string[]}} props */
function Languages({ tags }) {
  const { t, language } = useApp();
  const names = new Intl.DisplayNames(language, { type: 'language' });
  return html`<p class="hint" data-languages=${tags.join(' ')}>
    ${t('text.languages', { languages: tags.map((tag) => names.of(tag)).join(', ') })}
  </p>`;
}

/** @param {{spoken: import('./use_spoken_text.js').SpokenText}} props */
function Spoken({ spoken }) {
  const { t } = useApp();
  const { changes, refused, ignored } = spoken;
  return html`<div class="spoken">
    ${changes.length > 0 &&
    html`<details open>
      <summary>${t('spoken.summary', { count: changes.length })}</summary>
      <p>${spoken.spoken_text}</p>
      <ul>
        ${changes.map(
          (change) => html`<li>
            <del>${change.written}</del> → ${change.spoken ? html`<ins>${change.spoken}</ins>` : t('spoken.nothing')}
          </li>`,
        )}
      </ul>
    </details>`}
    ${refused.length > 0 &&
    html`<p class="error">${t('spoken.refused', { characters: refused.map((one) => one.character).join(' ') })}</p>`}
    ${ignored.length > 0 && html`<p class="hint">${t('spoken.ignored', { names: ignored.join(', ') })}</p>`}
  </div>`;
}
