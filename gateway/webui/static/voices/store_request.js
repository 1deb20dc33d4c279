/** The body of `POST /v1/voices`. */

/**
 * A missing clip is refused in the API's words.
 * @param {{name: string, transcript: string, language?: string}} texts
 * @param {import('../clip/clip.js').Clip | null} clip
 */
export function storeRequest({ name, transcript, language }, clip) {
  return { name, transcript, ...(language && { language }), ...(clip && { audio: clip.file }) };
}
