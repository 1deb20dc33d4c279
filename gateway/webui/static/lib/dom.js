/** Preact with HTM's templates, which need no build step. */
import { createContext, h, render } from '../vendor/preact.js';
import htm from '../vendor/htm.js';

export const html = htm.bind(h);
export { createContext, render };
export * from '../vendor/preact-hooks.js';
