/** Computes spectrograms apart from the page's thread, so that playback and typing do not wait. */
import { Spectrum } from './spectrum.js';

/** @type {Spectrum | null} */
let spectrum = null;

/** Messages are `{rateHz}`, which begins a signal, and `{chunks}`, which is answered with the image so far. */
onmessage = ({ data }) => {
  if (data.rateHz) spectrum = new Spectrum(data.rateHz);
  if (!spectrum || !data.chunks) return;
  for (const chunk of data.chunks) spectrum.push(chunk);
  postMessage(spectrum.image());
};
