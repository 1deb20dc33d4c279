/** The engine's intermediate data of one speech, by the span of the text that it belongs to. */
import { bytesOf } from '../lib/base64.js';

/**
 * @typedef {object} TraceEvent
 * @property {'codes' | 'mel'} kind
 * @property {number} start span of the text
 * @property {number} end
 * @property {number} position codes: index of the first frame in the span; mel: number of model evaluations so far
 * @property {number} rate columns per second of audio
 * @property {number} rows
 * @property {number} columns
 * @property {'uint8' | 'uint16'} dtype
 * @property {string} data base64, row by row
 */

/** @typedef {{position: number, rows: number, columns: number, values: Uint8Array | Uint16Array}} Matrix */
/** @typedef {{start: number, end: number, rate: number, parts: Matrix[]}} Trace */

export class Traces {
  constructor() {
    /** @type {{codes: Trace[], mel: Trace[]}} */
    this._found = { codes: [], mel: [] };
    /** Number of events so far. */
    this.count = 0;
  }

  /** @param {TraceEvent} event */
  add(event) {
    const { kind, start, end, position, rate, rows, columns, dtype } = event;
    const bytes = bytesOf(event.data);
    const values = dtype === 'uint8' ? bytes : new Uint16Array(bytes.buffer); // little-endian, as all browsers are
    let trace = this._found[kind].find((one) => one.start === start && one.end === end);
    if (!trace) {
      trace = { start, end, rate, parts: [] };
      this._found[kind].push(trace);
    }
    trace.parts.push({ position, rows, columns, values });
    this.count++;
  }

  /** Codes of each span. */
  get codes() {
    return this._found.codes;
  }

  /** Mels of each span, from noise to speech. */
  get mels() {
    return this._found.mel;
  }
}
