/** `.npy` files of codes: integers of shape (codebooks, frames). */

/** @typedef {{matrix: Uint16Array<ArrayBuffer>, rows: number, columns: number}} Codes row-major */

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
const MAX_CODE = 0xffff;
export const MAX_BYTES = 1 << 20; // four times two minutes of ten codebooks
const ALIGNMENT = 64;

/** Why a file cannot be read; `reason` is a string key of the page. */
export class NpyError extends Error {
  /**
   * @param {'size' | 'magic' | 'version' | 'header' | 'dtype' | 'shape' | 'length' | 'range'} reason
   * @param {Record<string, string | number>} values
   */
  constructor(reason, values = {}) {
    super(`not codes in an .npy file (${reason}) ${JSON.stringify(values)}`);
    this.reason = reason;
    this.values = values;
  }
}

/**
 * Read integers of any size, in either byte order, in rows or in columns.
 * @param {ArrayBuffer} buffer
 * @returns {Codes}
 * @throws {NpyError}
 */
export function readNpy(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 10 || MAGIC.some((byte, index) => view.getUint8(index) !== byte)) throw new NpyError('magic');
  const major = view.getUint8(6);
  if (major !== 1 && major !== 2) throw new NpyError('version', { version: major });
  const textAt = major === 1 ? 10 : 12;
  if (buffer.byteLength < textAt) throw new NpyError('header');
  const dataAt = textAt + (major === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (dataAt > buffer.byteLength) throw new NpyError('header');
  const { dtype, isFortran, shape } = readHeader(new TextDecoder('latin1').decode(buffer.slice(textAt, dataAt)));
  const format = /^([<>|=])([iu])([1248])$/.exec(dtype);
  if (!format) throw new NpyError('dtype', { dtype });
  const [rows, columns] = shape;
  if (shape.length !== 2 || !rows || !columns) throw new NpyError('shape', { shape: `(${shape.join(', ')})` });
  const size = Number(format[3]);
  const found = buffer.byteLength - dataAt;
  if (found !== rows * columns * size) throw new NpyError('length', { found, expected: rows * columns * size });
  const read = reader(view, format[2] === 'u', size, format[1] !== '>');
  const matrix = new Uint16Array(rows * columns);
  for (let index = 0; index < matrix.length; index++) {
    const code = read(dataAt + index * size);
    if (code < 0 || code > MAX_CODE) throw new NpyError('range', { code: String(code), max: MAX_CODE });
    matrix[isFortran ? (index % rows) * columns + Math.floor(index / rows) : index] = Number(code);
  }
  return { matrix, rows, columns };
}

/**
 * The header is a literal of a Python dictionary.
 * @param {string} text
 */
function readHeader(text) {
  const dtype = /'descr': *'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order': *(True|False)/.exec(text)?.[1];
  const shape = /'shape': *\(([\d, ]*)\)/.exec(text)?.[1];
  if (dtype === undefined || order === undefined || shape === undefined) throw new NpyError('header');
  return { dtype, isFortran: order === 'True', shape: shape.split(',').filter((size) => size.trim()).map(Number) };
}

/**
 * @param {DataView} view
 * @param {boolean} isUnsigned
 * @param {number} size in bytes
 * @param {boolean} isLittle
 * @returns {(at: number) => number | bigint}
 */
function reader(view, isUnsigned, size, isLittle) {
  switch (size) {
    case 1:
      return isUnsigned ? (at) => view.getUint8(at) : (at) => view.getInt8(at);
    case 2:
      return isUnsigned ? (at) => view.getUint16(at, isLittle) : (at) => view.getInt16(at, isLittle);
    case 4:
      return isUnsigned ? (at) => view.getUint32(at, isLittle) : (at) => view.getInt32(at, isLittle);
    default:
      return isUnsigned ? (at) => view.getBigUint64(at, isLittle) : (at) => view.getBigInt64(at, isLittle);
  }
}

/**
 * Write int64, as `voxgate fish encode` and the classic tools do.
 * @param {Codes} codes
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function writeNpy({ matrix, rows, columns }) {
  const header = `{'descr': '<i8', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const dataAt = Math.ceil((10 + header.length + 1) / ALIGNMENT) * ALIGNMENT;
  const file = new Uint8Array(dataAt + matrix.length * 8);
  const view = new DataView(file.buffer);
  file.set([...MAGIC, 1, 0]);
  view.setUint16(8, dataAt - 10, true);
  file.set(new TextEncoder().encode(`${header.padEnd(dataAt - 11)}\n`), 10);
  matrix.forEach((code, index) => view.setUint32(dataAt + index * 8, code, true)); // the upper half stays 0
  return file;
}

/**
 * The matrix as the API's lists, one per codebook.
 * @param {Codes} codes
 * @returns {number[][]}
 */
export function toRows({ matrix, rows, columns }) {
  return Array.from({ length: rows }, (_, row) => Array.from(matrix.subarray(row * columns, (row + 1) * columns)));
}

/**
 * @param {number[][]} lists one per codebook, equally long
 * @returns {Codes}
 */
export function fromRows(lists) {
  return { matrix: Uint16Array.from(lists.flat()), rows: lists.length, columns: lists[0].length };
}
