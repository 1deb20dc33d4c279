/** A live session with its playback. */
import { PcmDecoder, toFloat } from '../audio/pcm.js';
import { Player } from '../audio/player.js';
import { ApiError } from '../lib/api.js';
import { LiveSocket } from './live_socket.js';
import { EMPTY, failed, interrupted, positionAt, withMessage, withText } from './transcript.js';

/**
 * @typedef {object} Conversation
 * @property {'idle' | 'connecting' | 'open' | 'ending' | 'finished' | 'failed'} phase ending: the text has ended
 * @property {boolean} isInterrupting whether an interruption has been sent and not answered
 * @property {import('./transcript.js').Transcript} transcript
 * @property {number} playedMs of this turn
 * @property {number} receivedMs of this turn
 * @property {number | null} firstAudioS from the first text of the turn to its first audio
 * @property {Record<string, any>} started the gateway's answer to the start
 * @property {Record<string, any> | null} finished the gateway's last message
 * @property {Error | null} error
 */

/** @type {Conversation} */
export const IDLE = {
  phase: 'idle', isInterrupting: false, transcript: EMPTY, playedMs: 0, receivedMs: 0, firstAudioS: null, started: {}, finished: null,
  error: null,
};

/** @param {Conversation} conversation */
export const isPlaying = ({ playedMs, receivedMs }) => playedMs < receivedMs - 1; // both are rounded

export class Session {
  /**
   * Open a session. Call it from a click or key press, because browsers refuse sound otherwise.
   * @param {import('../lib/api.js').Api} api
   * @param {Record<string, unknown>} start fields of the start message
   * @param {number | undefined} expectedRateHz
   * @param {(conversation: Conversation) => void} onChange
   */
  constructor(api, start, expectedRateHz, onChange) {
    this.state = { ...IDLE, phase: /** @type {Conversation['phase']} */ ('connecting') };
    this._onChange = onChange;
    this._player = new Player(expectedRateHz);
    this._playing = Promise.resolve();
    this._decoder = new PcmDecoder();
    this._rateHz = 0;
    this._isNewTurn = true;
    /** @type {{position: number, at: number} | null} the first text of a turn, until its segment starts */
    this._awaited = null;
    /** @type {number | null} when the first text of the turn was sent, until its first audio */
    this._textAt = null;
    this._socket = new LiveSocket(api, {
      onMessage: (message) => this._handle(message),
      onAudio: (data) => this._play(data),
      onClose: (error) => this._fail(error ?? new TypeError('closed'), null),
    });
    this._socket.send({ type: 'start', ...start });
  }

  get takesText() {
    return this.state.phase === 'connecting' || this.state.phase === 'open';
  }

  /** @param {string} text */
  text(text) {
    if (!text) return;
    if (this._isNewTurn) this._awaited ??= { position: this.state.transcript.length, at: performance.now() };
    this._isNewTurn = false;
    this._socket.send({ type: 'text', text });
    this._set({ transcript: withText(this.state.transcript, text) });
  }

  /** Speak all text sent so far. A line break separates it from the next text. */
  flush() {
    if (/\S$/u.test(this.state.transcript.text)) this.text('\n');
    this._isNewTurn = true;
    this._socket.send({ type: 'flush' });
  }

  end() {
    this._socket.send({ type: 'end' });
    this._set({ phase: 'ending' });
  }

  /** Stop speaking at once. The gateway answers with the text that was spoken. */
  interrupt() {
    const { phase, playedMs, isInterrupting } = this.state;
    if (isInterrupting) return;
    this._player.close();
    if (phase === 'finished' || phase === 'failed') {
      this._dropRest();
      return;
    }
    this._isNewTurn = true;
    this._awaited = this._textAt = null;
    this._socket.send({ type: 'interrupt', played_ms: playedMs });
    this._set({ isInterrupting: true });
  }

  /** Drop what has not been played, without an answer of the gateway. */
  _dropRest() {
    const { transcript, playedMs } = this.state;
    const settled = interrupted(transcript, positionAt(transcript, playedMs), transcript.length);
    this._set({ transcript: settled, isInterrupting: false, playedMs: 0, receivedMs: 0 });
  }

  /** Leave the session; nothing changes any more. */
  close() {
    this._onChange = () => undefined;
    this._socket.close();
    this._player.close();
  }

  /** @param {Partial<Conversation>} change */
  _set(change) {
    this.state = { ...this.state, ...change };
    this._onChange(this.state);
  }

  /** @param {Record<string, any>} message */
  _handle(message) {
    this._set({ transcript: withMessage(this.state.transcript, message) });
    switch (message.type) {
      case 'started':
        this._rateHz = message.sample_rate;
        if (!this.state.isInterrupting) this._startPlayer(this._player);
        this._set({ started: message, ...(this.state.phase === 'connecting' && { phase: 'open' }) });
        break;
      case 'segment':
        if (this._awaited && message.end > this._awaited.position) {
          this._textAt = this._awaited.at;
          this._awaited = null;
        }
        break;
      case 'interrupted':
        this._decoder = new PcmDecoder();
        this._startPlayer(new Player(this._rateHz));
        this._set({ isInterrupting: false, playedMs: 0, receivedMs: 0 });
        break;
      case 'finished':
        this._set({ phase: 'finished', finished: message });
        this._complete();
        break;
      case 'error':
        this._fail(new ApiError(0, message.error), message.position);
    }
  }

  /** @param {Player} player */
  _startPlayer(player) {
    this._player = player;
    const onProgress = (/** @type {number} */ playedS, /** @type {boolean} */ ended) => {
      if (ended) player.close();
      if (player === this._player && !this.state.isInterrupting) this._set({ playedMs: playedS * 1000 });
    };
    const onError = (/** @type {Error} */ error) => {
      if (player === this._player && !this.state.isInterrupting) this._fail(error, null);
    };
    this._playing = player.start(this._rateHz, onProgress).catch(onError);
  }

  /** @param {Uint8Array} data */
  _play(data) {
    if (this.state.isInterrupting) return; // sent before the gateway received the interruption
    const samples = this._decoder.decode(data);
    const { receivedMs } = this.state;
    if (this._textAt !== null) this._set({ firstAudioS: (performance.now() - this._textAt) / 1000 });
    this._textAt = null;
    this._set({ receivedMs: receivedMs + (samples.length / this._rateHz) * 1000 });
    const player = this._player;
    this._playing.then(() => player.push(toFloat(samples)));
  }

  /**
   * @param {Error} error
   * @param {number | null} position that the received audio reaches
   */
  _fail(error, position) {
    if (this.state.phase === 'finished' || this.state.phase === 'failed') return;
    const { transcript, receivedMs } = this.state;
    this._set({ phase: 'failed', error, transcript: failed(transcript, position, receivedMs) });
    this._complete();
  }

  /** No audio follows. An interruption that crossed the last message gets no answer. */
  _complete() {
    if (this.state.isInterrupting) this._dropRest();
    else this._playing.then(() => this._player.complete());
  }
}
