/** The audio thread's part of playback: play queued samples, and report how many have been played. */
import { SampleQueue } from './sample_queue.js';

const REPORT_EVERY = 8; // blocks of 128 samples

class PlaybackProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this._queue = new SampleQueue();
    this._isComplete = false;
    this._blocks = 0;
    this.port.onmessage = ({ data }) => {
      if (data === 'complete') this._isComplete = true;
      else this._queue.push(data);
    };
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, outputs) {
    this._queue.read(outputs[0][0]);
    const ended = this._isComplete && this._queue.isEmpty;
    if (ended || this._blocks++ % REPORT_EVERY === 0) this.port.postMessage({ played: this._queue.played, ended });
    return !ended;
  }
}

registerProcessor('voxgate-playback', PlaybackProcessor);
