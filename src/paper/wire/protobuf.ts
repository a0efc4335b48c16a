// The wire format of protobuf, read and written by hand for the few Cosmos envelopes (TxRaw, TxBody, AuthInfo,
// SignDoc, account queries) that the client package does not export. Reading is bounded by the buffer: whatever
// runs over its end throws, and the caller answers "tx parse error".

export type Field = {
  readonly number: number;
  readonly isNumeric: boolean;
  readonly bytes: Uint8Array;
  readonly value: bigint;
};

const EMPTY = new Uint8Array(0);
const NOTHING = Buffer.alloc(0);

function readVarint(buffer: Uint8Array, start: number): { readonly value: bigint; readonly end: number } {
  let value = 0n;
  for (let index = 0; index < 10; index++) {
    const byte = buffer[start + index];
    if (byte === undefined) throw new Error('a varint runs over the end');
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value, end: start + index + 1 };
  }
  throw new Error('a varint is longer than 10 bytes');
}

/** Tags and lengths: below 2^31, without a bigint (a transaction has fifty of them). */
function readSmall(buffer: Uint8Array, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let index = 0; index < 4; index++) {
    const byte = buffer[start + index];
    if (byte === undefined) throw new Error('a varint runs over the end');
    value |= (byte & 0x7f) << (7 * index);
    if (byte < 0x80) return { value, end: start + index + 1 };
  }
  throw new Error('a tag or length is longer than 4 bytes');
}

function take(buffer: Uint8Array, start: number, length: number): Uint8Array {
  if (start + length > buffer.length) throw new Error('a field runs over the end');
  return buffer.subarray(start, start + length);
}

/** All fields of one message in wire order; `bytes` for wire type 2, `value` for the numeric ones. */
export function readFields(buffer: Uint8Array): Field[] {
  const fields: Field[] = [];
  let offset = 0;
  while (offset < buffer.length) {
    const tag = readSmall(buffer, offset);
    const number = tag.value >>> 3;
    const wireType = tag.value & 7;
    offset = tag.end;
    if (wireType === 0) {
      const { value, end } = readVarint(buffer, offset);
      fields.push({ number, isNumeric: true, bytes: EMPTY, value });
      offset = end;
    } else if (wireType === 2) {
      const length = readSmall(buffer, offset);
      const bytes = take(buffer, length.end, length.value);
      fields.push({ number, isNumeric: false, bytes, value: 0n });
      offset = length.end + bytes.length;
    } else if (wireType === 1 || wireType === 5) {
      const bytes = take(buffer, offset, wireType === 1 ? 8 : 4);
      fields.push({ number, isNumeric: false, bytes, value: 0n });
      offset += bytes.length;
    } else {
      throw new Error(`wire type ${wireType} is not supported`);
    }
  }
  return fields;
}

/** The content of a packed repeated field. */
export function readVarints(buffer: Uint8Array): bigint[] {
  const values: bigint[] = [];
  for (let offset = 0; offset < buffer.length; ) {
    const { value, end } = readVarint(buffer, offset);
    values.push(value);
    offset = end;
  }
  return values;
}

export function bytesField(fields: readonly Field[], number: number): Uint8Array {
  return fields.find((field) => field.number === number)?.bytes ?? EMPTY;
}

export function numberField(fields: readonly Field[], number: number): bigint {
  return fields.find((field) => field.number === number)?.value ?? 0n;
}

export function textField(fields: readonly Field[], number: number): string {
  return Buffer.from(bytesField(fields, number)).toString('utf8');
}

/** How many bytes a tag or length below 2^31 takes. */
function smallSize(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size += 1;
  return size;
}

/** The offset after it. */
function writeSmall(target: Uint8Array, offset: number, value: number): number {
  let end = offset;
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) target[end++] = (rest & 0x7f) | 0x80;
  target[end++] = rest;
  return end;
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** A length-delimited field; nothing when empty, as proto3 wants it (the bytes are signed). */
export function writeBytes(number: number, value: Uint8Array | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  if (bytes.length === 0) return NOTHING;
  const tag = number * 8 + 2;
  const field = Buffer.allocUnsafe(smallSize(tag) + smallSize(bytes.length) + bytes.length);
  field.set(bytes, writeSmall(field, writeSmall(field, 0, tag), bytes.length));
  return field;
}

export function writeNumber(number: number, value: bigint): Buffer {
  return value === 0n ? NOTHING : Buffer.concat([varint(BigInt(number * 8)), varint(value)]);
}
