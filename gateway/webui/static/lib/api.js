/** The gateway's HTTP API: addresses relative to the page, API keys, and typed errors. */

const STORAGE = 'voxgate.key';

/** An error response, in the words of the API. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {{type?: string, message?: string, param?: string | null, request_id?: string}} error
   */
  constructor(status, error) {
    super(error.message || `HTTP ${status}`);
    this.status = status;
    this.type = error.type ?? '';
    this.param = error.param ?? null;
    this.requestId = error.request_id ?? '';
  }
}

/**
 * The error of a response. Errors of the Fish-Speech routes are `{statusCode, message, error}`.
 * @param {Response} response
 */
async function errorOf(response) {
  const body = await response.json().catch(() => ({}));
  return new ApiError(response.status, body.error instanceof Object ? body.error : body);
}

/**
 * The form that has the fields of a JSON body and files.
 * @param {object} body
 */
export function formOf(body) {
  const form = new FormData();
  for (const [name, value] of Object.entries(body)) {
    if (value instanceof Blob) form.append(name, value);
    else if (value !== undefined) form.append(name, formText(value));
  }
  return form;
}

/** @param {unknown} value */
export function formText(value) {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export class Api {
  /**
   * @param {URL} base address of the gateway, with a reverse proxy's prefix
   * @param {(refused: boolean) => Promise<string | null>} askKey asks the user for an API key; null: none given
   * @param {Pick<Storage, 'getItem' | 'setItem'>} storage
   * @param {typeof fetch} send
   */
  constructor(base, askKey, storage = sessionStorage, send = (input, init) => fetch(input, init)) {
    this.base = base;
    this._askKey = askKey;
    this._storage = storage;
    this._send = send;
    /** @type {Promise<string | null> | null} */
    this._asking = null;
    this._declined = false;
  }

  get key() {
    return this._storage.getItem(STORAGE);
  }

  /** Ask for a key again when a request needs one, although the user has declined. */
  askAgain() {
    this._declined = false;
  }

  /** Ask for a key now, whether or not one is needed. */
  async enterKey() {
    this.askAgain();
    return this._newKey(this.key);
  }

  /**
   * Send a request. If it needs a key, ask for one and send it again.
   * @param {string} path relative to the base
   * @param {RequestInit} init
   * @returns {Promise<Response>} a successful response
   * @throws {ApiError}
   */
  async fetch(path, init = {}) {
    for (;;) {
      const key = this.key;
      const headers = new Headers(init.headers);
      if (key) headers.set('Authorization', `Bearer ${key}`);
      const response = await this._send(new URL(path, this.base), { ...init, headers });
      if (response.ok) return response;
      const error = await errorOf(response);
      if (response.status !== 401 || !(await this._newKey(key))) throw error;
    }
  }

  /**
   * @param {string} path
   * @param {AbortSignal} [signal]
   */
  async get(path, signal) {
    return (await this.fetch(path, { signal })).json();
  }

  /**
   * @param {string} path
   * @param {object} body
   * @param {AbortSignal} [signal]
   * @returns {Promise<Response>}
   */
  async post(path, body, signal) {
    return this.send('POST', path, body, signal);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} body sent as JSON, or as a form if a field is a file
   * @param {AbortSignal} [signal]
   * @returns {Promise<Response>}
   */
  async send(method, path, body, signal) {
    if (Object.values(body).some((value) => value instanceof Blob)) {
      return this.fetch(path, { method, body: formOf(body), signal });
    }
    const headers = { 'Content-Type': 'application/json' };
    return this.fetch(path, { method, headers, body: JSON.stringify(body), signal });
  }

  /**
   * A key other than the one refused. Requests that are refused at the same time ask once.
   * @param {string | null} refused
   */
  async _newKey(refused) {
    if (this.key !== refused) return this.key;
    if (this._declined) return null;
    this._asking ??= this._askKey(refused !== null).finally(() => (this._asking = null));
    const key = await this._asking;
    if (key) this._storage.setItem(STORAGE, key);
    this._declined = !key;
    return key;
  }
}
