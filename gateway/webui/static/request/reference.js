/** A reference clip for one request, which a link cannot have. */

/** @typedef {{clip: import('../clip/clip.js').Clip | null, transcript: string}} Reference */

/** @type {Reference} */
export const NO_REFERENCE = { clip: null, transcript: '' };

/**
 * A request in the voice of the clip, if there is one.
 * @param {Record<string, unknown>} body of `POST /tts`
 * @param {Reference} reference
 * @returns {Record<string, unknown>}
 */
export function withReference({ voice, ...body }, { clip, transcript }) {
  if (clip) return { ...body, reference_audio: clip.file, ...(transcript && { reference_text: transcript }) };
  return voice === undefined ? body : { ...body, voice };
}
