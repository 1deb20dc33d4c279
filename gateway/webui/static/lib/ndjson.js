/** Newline-delimited JSON, read while it arrives. */

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<any>} the value of each line
 */
export async function* jsonLines(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = /** @type {string} */ (lines.pop());
    for (const line of lines) yield JSON.parse(line);
  }
}
