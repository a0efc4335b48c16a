// The chain's own encoding of a big integer inside protobuf bytes: Go's big.Int gob. One byte 2 (not negative) or 3
// (negative), then the magnitude, big-endian. Source: v4-chain protocol/dtypes/serializable_int.go, math/big/intmarsh.go.

const NOT_NEGATIVE = 2;
const NEGATIVE = 3;

/** @returns undefined when the bytes are none; no bytes at all are 0, as Go reads them */
export function readSerializableInt(bytes: Uint8Array): bigint | undefined {
  const [sign, ...magnitude] = bytes;
  if (sign === undefined) return 0n;
  if (sign !== NOT_NEGATIVE && sign !== NEGATIVE) return undefined;
  const value = magnitude.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return sign === NEGATIVE ? -value : value;
}
