// bech32 (BIP 173) as far as addresses need it: 20 bytes under one human-readable prefix. A string is an
// address only if its checksum holds, so a mistyped owner is never taken for an account.

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

function polymod(values: readonly number[]): number {
  let checksum = 1;
  for (const value of values) {
    const top = checksum >>> 25;
    checksum = ((checksum & 0x1ffffff) << 5) ^ value;
    GENERATORS.forEach((generator, bit) => {
      if ((top >>> bit) & 1) checksum ^= generator;
    });
  }
  return checksum >>> 0;
}

function expandPrefix(prefix: string): number[] {
  const codes = [...prefix].map((character) => character.charCodeAt(0));
  return [...codes.map((code) => code >>> 5), 0, ...codes.map((code) => code & 31)];
}

function toWords(bytes: Uint8Array): number[] {
  const words: number[] = [];
  let pending = 0;
  let bits = 0;
  for (const byte of bytes) {
    pending = ((pending << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      words.push((pending >>> bits) & 31);
    }
  }
  if (bits > 0) words.push((pending << (5 - bits)) & 31);
  return words;
}

export function encodeBech32(prefix: string, bytes: Uint8Array): string {
  const words = toWords(bytes);
  const check = polymod([...expandPrefix(prefix), ...words, 0, 0, 0, 0, 0, 0]) ^ 1;
  const checksum = [25, 20, 15, 10, 5, 0].map((shift) => (check >>> shift) & 31);
  return `${prefix}1${[...words, ...checksum].map((word) => ALPHABET.charAt(word)).join('')}`;
}

/** True for 20 bytes (32 words) under this prefix with a valid checksum, in lower case. */
export function isBech32Address(prefix: string, text: string): boolean {
  if (!text.startsWith(`${prefix}1`) || text.length !== prefix.length + 1 + 32 + 6) return false;
  const words = [...text.slice(prefix.length + 1)].map((character) => ALPHABET.indexOf(character));
  return !words.includes(-1) && polymod([...expandPrefix(prefix), ...words]) === 1;
}
