import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHalf, pcmFromHalf } from '../../../gateway/webui/static/audio/half.js';
import { fromRows, readNpy, toRows, writeNpy } from '../../../gateway/webui/static/lib/npy.js';

const ROWS = [[0, 1, 159], [7, 1023, 65535]];

/** An .npy file with the given header and data. */
function npy(header, data, version = 1) {
  const lengthBytes = version === 1 ? 2 : 4;
  const buffer = Buffer.alloc(8 + lengthBytes);
  buffer.write('\x93NUMPY', 'latin1');
  buffer[6] = version;
  buffer.writeUIntLE(header.length, 8, lengthBytes);
  const whole = Buffer.concat([buffer, Buffer.from(header, 'latin1'), data]);
  return whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.length);
}

const header = (descr, shape, order = 'False') => `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;

/** @returns {(reason: string, values?: object) => object} what assert.throws compares an NpyError with */
const refusal = (reason, values) => ({ name: 'Error', reason, ...(values && { values }) });

test('a file that was written is read as the same codes', () => {
  const file = writeNpy(fromRows(ROWS));
  assert.equal(file.length % 8, 0);
  assert.equal((file[8] + 10) % 64, 0, 'data is aligned');
  const codes = readNpy(file.buffer);
  assert.deepEqual([codes.rows, codes.columns], [2, 3]);
  assert.deepEqual(toRows(codes), ROWS);
});

const DTYPES = {
  '|i1': [1, 'Int8'], '|u1': [1, 'UInt8'], '<i2': [2, 'Int16LE'], '>i2': [2, 'Int16BE'], '<u2': [2, 'UInt16LE'],
  '<i4': [4, 'Int32LE'], '>i4': [4, 'Int32BE'], '<u4': [4, 'UInt32LE'], '<i8': [8, 'BigInt64LE'], '>i8': [8, 'BigInt64BE'], '<u8': [8, 'BigUInt64LE'],
};

for (const [descr, [size, method]] of Object.entries(DTYPES)) {
  test(`${descr} is read, in rows and in columns`, () => {
    const values = [1, 2, 3, 4, 5, 100];
    const data = Buffer.alloc(6 * size);
    values.forEach((value, index) => data[`write${method}`](size === 8 ? BigInt(value) : value, index * size));
    assert.deepEqual(toRows(readNpy(npy(header(descr, '(2, 3)'), data))), [[1, 2, 3], [4, 5, 100]]);
    assert.deepEqual(toRows(readNpy(npy(header(descr, '(2, 3)', 'True'), data, 2))), [[1, 3, 5], [2, 4, 100]]);
  });
}

test('a file that has no codes is refused with the reason', () => {
  const six = Buffer.alloc(6);
  const refuse = (file, reason, values) => assert.throws(() => readNpy(file), refusal(reason, values));
  refuse(new ArrayBuffer(0), 'magic');
  refuse(new TextEncoder().encode('RIFF....WAVEfmt ').buffer, 'magic');
  refuse(npy(header('|u1', '(2, 3)'), six, 3), 'version', { version: 3 });
  refuse(npy('{}', six), 'header');
  refuse(npy(header('|u1', '(2, 3)'), six).slice(0, 40), 'header');
  refuse(npy(header('<f4', '(2, 3)'), Buffer.alloc(24)), 'dtype', { dtype: '<f4' });
  refuse(npy(header('|O', '(2, 3)'), six), 'dtype', { dtype: '|O' });
  refuse(npy(header('|u1', '(6,)'), six), 'shape', { shape: '(6)' });
  refuse(npy(header('|u1', '(2, 0)'), Buffer.alloc(0)), 'shape', { shape: '(2, 0)' });
  refuse(npy(header('|u1', '(1, 2, 3)'), six), 'shape', { shape: '(1, 2, 3)' });
  refuse(npy(header('|u1', '(2, 4)'), six), 'length', { found: 6, expected: 8 });
  refuse(npy(header('|u1', '(99999999, 99999999)'), six), 'length');
  refuse(npy(header('|i1', '(2, 3)'), Buffer.from([1, 2, 255, 0, 0, 0])), 'range', { code: '-1', max: 65535 });
  refuse(npy(header('<i8', '(1, 1)'), Buffer.from([0, 0, 1, 0, 0, 0, 0, 0])), 'range', { code: '65536', max: 65535 });
});

test('float16 samples become PCM', () => {
  assert.deepEqual([0x3c00, 0xbc00, 0x3800, 0x0001, 0x8000, 0x7c00].map(fromHalf), [1, -1, 0.5, 2 ** -24, -0, Infinity]);
  assert.ok(Number.isNaN(fromHalf(0x7e00)));
  const bytes = Uint8Array.of(0x00, 0x38, 0x00, 0xbc, 0x00, 0x3c, 0x00, 0x00); // 0.5, -1, 1, 0
  assert.deepEqual([...pcmFromHalf(bytes)], [16384, -32768, 32767, 0]);
});
