/** The socket of one live session, `WS /tts/stream` (docs/apis/live.md). */

/** The gateway did not accept the socket. Browsers do not reveal its answer. */
export class HandshakeError extends Error {}

/**
 * @typedef {object} LiveEvents
 * @property {(message: Record<string, any>) => void} onMessage
 * @property {(data: Uint8Array) => void} onAudio
 * @property {(error: Error | null) => void} onClose null: closed after it was open
 */

/** @param {URL} base */
export function liveAddress(base) {
  const address = new URL('tts/stream', base);
  address.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
  return address.href;
}

/**
 * The subprotocols that carry an API key, since pages cannot set headers of a WebSocket.
 * @param {string | null} key
 */
export function keyProtocols(key) {
  if (!key) return [];
  const encoded = encodeURIComponent(key).replace(/[()]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  return ['voxgate', `voxgate.key.${encoded}`];
}

export class LiveSocket {
  /**
   * @param {Pick<import('../lib/api.js').Api, 'base' | 'key' | 'get'>} api
   * @param {LiveEvents} events
   */
  constructor(api, events) {
    this._api = api;
    this._events = events;
    /** @type {string[]} messages for when the socket opens */
    this._held = [];
    this._isClosed = false;
    this._socket = this._connect();
  }

  /** @param {Record<string, unknown>} message */
  send(message) {
    const data = JSON.stringify(message);
    if (this._socket.readyState === WebSocket.OPEN) this._socket.send(data);
    else this._held.push(data);
  }

  close() {
    this._isClosed = true;
    this._socket.close();
  }

  _connect() {
    const key = this._api.key;
    const socket = new WebSocket(liveAddress(this._api.base), keyProtocols(key));
    let wasOpen = false;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      wasOpen = true;
      for (const data of this._held.splice(0)) socket.send(data);
    };
    socket.onmessage = ({ data }) => {
      if (this._isClosed) return;
      if (typeof data === 'string') this._events.onMessage(JSON.parse(data));
      else this._events.onAudio(new Uint8Array(data));
    };
    socket.onclose = () => {
      if (this._isClosed) return;
      if (wasOpen) this._events.onClose(null);
      else this._retry(key);
    };
    return socket;
  }

  /**
   * Find out with a request why the handshake failed. If that leads to another key, connect again.
   * @param {string | null} refusedKey
   */
  async _retry(refusedKey) {
    try {
      await this._api.get('v1/engines');
    } catch (error) {
      this._events.onClose(/** @type {Error} */ (error));
      return;
    }
    if (this._isClosed) return;
    if (this._api.key !== refusedKey) this._socket = this._connect();
    else this._events.onClose(new HandshakeError());
  }
}
