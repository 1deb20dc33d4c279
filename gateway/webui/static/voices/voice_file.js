/** Stored voices as a file: each has the fields of `POST /v1/voices`, with its clip as a data URL. */

const FORMAT = 'voxgate-voices';
const VERSION = 1;
/** A larger file would not fit into a string of the browser. */
export const MAX_FILE_BYTES = 400 * 2 ** 20;

/** @typedef {{name: string, audio: string, transcript?: string, language?: string}} VoiceEntry */

/**
 * @param {VoiceEntry[]} voices
 * @returns {Blob}
 */
export function voiceFile(voices) {
  // In parts, because all clips together may be longer than a string can be.
  const entries = voices.flatMap((voice, index) => [index ? ',\n' : '\n', JSON.stringify(voice)]);
  const head = JSON.stringify({ format: FORMAT, version: VERSION }).slice(0, -1);
  return new Blob([head, ',"voices":[', ...entries, '\n]}\n'], { type: 'application/json' });
}

/** A file that is not an export. Its `reason` is the string `import.<reason>`. */
export class VoiceFileError extends Error {
  /** @param {'not_json' | 'not_voices' | 'newer' | 'too_large'} reason */
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/**
 * @param {Blob} file
 * @returns {Promise<VoiceEntry[]>}
 * @throws {VoiceFileError}
 */
export async function readVoiceFile(file) {
  if (file.size > MAX_FILE_BYTES) throw new VoiceFileError('too_large');
  const content = parsed(await file.text());
  if (content?.format !== FORMAT || !Array.isArray(content.voices) || !content.voices.every(isEntry)) {
    throw new VoiceFileError('not_voices');
  }
  if (content.version !== VERSION) throw new VoiceFileError('newer');
  return content.voices;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new VoiceFileError('not_json');
  }
}

/** @param {any} entry */
function isEntry(entry) {
  return typeof entry?.name === 'string' && typeof entry.audio === 'string';
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>}
 */
export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
