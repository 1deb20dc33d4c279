/** Playback of complete takes, which can be exchanged without a click. */
import { wavFile } from '../audio/pcm.js';

const FADE_S = 0.01;

/** @typedef {import('./take.js').Take} Take */

export class TakePlayer {
  /** @param {() => void} onEnded called when a take was played to its end */
  constructor(onEnded) {
    this._onEnded = onEnded;
    /** @type {AudioContext | null} opened by the first click, because browsers refuse sound otherwise */
    this._context = null;
    /** @type {WeakMap<Int16Array[], Promise<AudioBuffer>>} */
    this._decoded = new WeakMap();
    /** @type {{source: AudioBufferSourceNode, gain: GainNode, startedAt: number} | null} startedAt: of position 0 */
    this._playing = null;
    this._calls = 0;
  }

  /** Position in the take being played, in seconds; null: none is. */
  get positionS() {
    return this._playing && this._context && this._context.currentTime - this._playing.startedAt;
  }

  /**
   * Play a take instead of the current one.
   * @param {Take} take
   * @param {number} level gain from 0 to 1
   * @param {() => number} fromS asked for when the take is ready
   */
  async play(take, level, fromS) {
    const call = ++this._calls;
    const context = (this._context ??= new AudioContext());
    context.resume().catch(() => undefined);
    const buffer = await this._decode(context, take);
    if (call !== this._calls) return;
    const offsetS = fromS();
    this._stopSource();
    const source = new AudioBufferSourceNode(context, { buffer });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.linearRampToValueAtTime(level, context.currentTime + FADE_S);
    source.connect(gain).connect(context.destination);
    source.start(0, offsetS);
    this._playing = { source, gain, startedAt: context.currentTime - offsetS };
    source.onended = () => {
      if (this._playing?.source !== source) return;
      this._playing = null;
      this._onEnded();
    };
  }

  stop() {
    this._calls++;
    this._stopSource();
  }

  close() {
    this.stop();
    this._context?.close().catch(() => undefined);
    this._context = null;
  }

  _stopSource() {
    if (!this._playing || !this._context) return;
    const { source, gain } = this._playing;
    this._playing = null;
    const now = this._context.currentTime;
    gain.gain.setValueAtTime(gain.gain.value, now).linearRampToValueAtTime(0, now + FADE_S);
    source.stop(now + FADE_S);
  }

  /**
   * Samples at the rate of the audio device. Decoders resample better than buffer sources, which interpolate linearly.
   * @param {AudioContext} context
   * @param {Take} take
   */
  _decode(context, { chunks, rateHz }) {
    const decoded = this._decoded.get(chunks) ?? wavFile(chunks, rateHz).arrayBuffer().then((file) => context.decodeAudioData(file));
    this._decoded.set(chunks, decoded);
    return decoded;
  }
}
