// The protobuf wire format as far as the official client does not export a message for it: SignDoc and questions to a
// node (written), its answers (read). Source: protobuf.dev/programming-guides/encoding.

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** proto3 leaves out empty fields, and signatures depend on that. */
export function bytesField(field: number, value: Uint8Array): Uint8Array {
  if (value.length === 0) return value;
  return Buffer.concat([varint(BigInt((field << 3) | 2)), varint(BigInt(value.length)), value]);
}

export function stringField(field: number, value: string): Uint8Array {
  return bytesField(field, Buffer.from(value, 'utf8'));
}

export function uint64Field(field: number, value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0);
  return Buffer.concat([varint(BigInt(field << 3)), varint(value)]);
}

export type Message = {
  /** of a field that occurs more than once its last value, as proto3 demands */
  readonly bytes: (field: number) => Uint8Array | undefined;
  /** of a repeated field all of them, in order */
  readonly everyBytes: (field: number) => readonly Uint8Array[];
  readonly uint64: (field: number) => bigint | undefined;
};

/** @returns undefined when the bytes are no protobuf message */
export function readMessage(input: Uint8Array): Message | undefined {
  const varints = new Map<number, bigint>();
  const lengthDelimited = new Map<number, Uint8Array[]>();
  let at = 0;

  function readVarint(): bigint | undefined {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = input[at++];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    return undefined;
  }

  while (at < input.length) {
    const key = readVarint();
    if (key === undefined) return undefined;
    const field = Number(key >> 3n);
    const wireType = Number(key & 7n);
    if (wireType === 0) {
      const value = readVarint();
      if (value === undefined) return undefined;
      varints.set(field, value);
    } else if (wireType === 2) {
      const length = readVarint();
      if (length === undefined || length > BigInt(input.length - at)) return undefined;
      const value = input.subarray(at, at + Number(length));
      const before = lengthDelimited.get(field);
      if (before === undefined) lengthDelimited.set(field, [value]);
      else before.push(value);
      at += Number(length);
    } else if (wireType === 1 || wireType === 5) {
      at += wireType === 1 ? 8 : 4;
      if (at > input.length) return undefined;
    } else {
      return undefined;
    }
  }
  return {
    bytes: (field) => lengthDelimited.get(field)?.at(-1),
    everyBytes: (field) => lengthDelimited.get(field) ?? [],
    uint64: (field) => varints.get(field),
  };
}
