/** Recording from the microphone. */

// Chrome can record without loss. Safari has MP4 only.
const TYPES = ['audio/webm;codecs=pcm', 'audio/webm;codecs=opus', 'audio/mp4'];
// Echo cancellation and noise suppression remove parts of the voice that a clone should have. Automatic gain clips loud
// speech.
const SOUND = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** Browsers give the microphone only to pages over HTTPS and on localhost. */
export const canRecord = () => 'mediaDevices' in navigator && 'MediaRecorder' in globalThis;

export class Microphone {
  /**
   * Ask for the microphone and record from it.
   * @throws {DOMException} `NotAllowedError` if the user or a Permissions-Policy refuses, `NotFoundError` if there is none
   */
  static async open() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: SOUND });
    try {
      return new Microphone(stream);
    } catch (error) {
      release(stream);
      throw error;
    }
  }

  /** @param {MediaStream} stream */
  constructor(stream) {
    this._stream = stream;
    this._context = new AudioContext();
    this._analyser = new AnalyserNode(this._context, { fftSize: 4096 });
    this._context.createMediaStreamSource(stream).connect(this._analyser);
    this._window = new Float32Array(this._analyser.fftSize);
    /** @type {Blob[]} */
    this._chunks = [];
    this._recorder = new MediaRecorder(stream, {
      mimeType: TYPES.find((type) => MediaRecorder.isTypeSupported(type)),
      audioBitsPerSecond: 128_000,
    });
    this._recorder.ondataavailable = ({ data }) => this._chunks.push(data);
    /** Resolves when the recording has ended, also because the device is gone. @type {Promise<void>} */
    this.ended = new Promise((resolve) => this._recorder.addEventListener('stop', () => resolve()));
    this._recorder.start();
  }

  /** The largest magnitude of the last tenth of a second, from 0 to 1. */
  level() {
    this._analyser.getFloatTimeDomainData(this._window);
    return this._window.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
  }

  /**
   * End the recording and release the microphone.
   * @returns {Promise<Blob>}
   */
  async stop() {
    if (this._recorder.state !== 'inactive') this._recorder.stop();
    await this.ended;
    release(this._stream);
    await this._context.close();
    return new Blob(this._chunks, { type: this._recorder.mimeType });
  }
}

/** @param {MediaStream} stream */
function release(stream) {
  for (const track of stream.getTracks()) track.stop();
}
