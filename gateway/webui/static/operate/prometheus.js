/** The Prometheus text format. */

/** @typedef {{name: string, labels: Record<string, string>, value: number}} Sample */

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = /** @type {Record<string, string>} */ ({ '\\n': '\n', '\\"': '"', '\\\\': '\\' });
const INFINITE = /** @type {Record<string, number>} */ ({ '+Inf': Infinity, '-Inf': -Infinity });

/**
 * The samples of a scrape; comments and lines that are no samples are skipped.
 * @param {string} text
 * @returns {Sample[]}
 */
export function parseMetrics(text) {
  const samples = /** @type {Sample[]} */ ([]);
  for (const line of text.split('\n')) {
    const match = line.startsWith('#') ? null : LINE.exec(line.trim());
    if (!match) continue;
    const [, name, labels = '', value] = match;
    samples.push({ name, labels: parseLabels(labels), value: INFINITE[value] ?? Number(value) });
  }
  return samples;
}

/** @param {string} text between the braces */
function parseLabels(text) {
  const labels = /** @type {Record<string, string>} */ ({});
  for (const [, name, value] of text.matchAll(LABEL)) {
    labels[name] = value.replace(/\\[n"\\]/g, (escape) => ESCAPES[escape]);
  }
  return labels;
}
