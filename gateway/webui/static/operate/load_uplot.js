/** uPlot with its style sheet, loaded when the first chart is drawn. */

/** @type {Promise<typeof import('../vendor/uplot.js').default> | null} */
let loading = null;

export function loadUplot() {
  loading ??= Promise.all([import('../vendor/uplot.js'), loadStyle()]).then(([module]) => module.default);
  return loading;
}

function loadStyle() {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL('../vendor/uplot.css', import.meta.url).href;
  return new Promise((resolve, reject) => {
    link.onload = resolve;
    link.onerror = () => reject(new Error(`cannot load ${link.href}`));
    document.head.append(link);
  });
}
