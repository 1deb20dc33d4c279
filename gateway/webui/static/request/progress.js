/** How far an engine's loading is, as text. */

/**
 * @param {Pick<import('./use_engines.js').Engine, 'name' | 'progress'>} engine
 * @param {import('../lib/i18n.js').Translate} t
 */
export function progressText({ name, progress }, t) {
  if (!progress) return t('engine.loading', { name });
  const share = progress.total ? ` ${Math.floor((100 * progress.done) / progress.total)} %` : '';
  return `${t('engine.loading', { name })}: ${progress.stage}${share}`;
}
