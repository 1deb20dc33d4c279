/** Playback of samples while they arrive. */
import { scheduledOutput } from './scheduled_output.js';
import { workletOutput } from './worklet_output.js';

export class Player {
  /**
   * Open the audio device. Call it from a click or key press, because browsers refuse sound otherwise.
   * @param {number} [rateHz] the expected sample rate
   */
  constructor(rateHz) {
    this._context = new AudioContext(rateHz ? { sampleRate: rateHz } : {});
    /** @type {import('./worklet_output.js').Output | null} */
    this._output = null;
  }

  /**
   * @param {number} rateHz
   * @param {(playedS: number, ended: boolean) => void} onProgress
   */
  async start(rateHz, onProgress) {
    if (this._context.sampleRate !== rateHz) {
      await this._context.close();
      this._context = new AudioContext({ sampleRate: rateHz });
    }
    const context = this._context;
    const report = (/** @type {number} */ played, /** @type {boolean} */ ended) => onProgress(played / rateHz, ended);
    const open = context.audioWorklet ? workletOutput : scheduledOutput;
    this._output = await open(context, report);
    // Not awaited: without an audio device it would never resolve.
    context.resume().catch(() => undefined);
  }

  /** @param {Float32Array<ArrayBuffer>} samples */
  push(samples) {
    this._output?.push(samples);
  }

  /** Play what was pushed to its end, and no more. */
  complete() {
    this._output?.complete();
  }

  /** Stop at once and release the audio device. */
  close() {
    if (this._context.state !== 'closed') this._context.close().catch(() => undefined);
  }
}
