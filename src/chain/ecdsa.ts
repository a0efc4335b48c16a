// secp256k1 signatures over sha256 digests, by libsecp256k1 (native, 31 µs a signature; the wasm build
// needs 90 µs, the client's own elliptic 500 µs). Deterministic (RFC 6979) and low-S, as the chain demands.
import { hash } from 'node:crypto';
import secp256k1 from 'secp256k1';

export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer');
}

/** 33 bytes, compressed. Throws if the private key is not a valid scalar. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  return secp256k1.publicKeyCreate(privateKey, true);
}

/** 64 bytes r‖s over sha256(message). */
export function sign(message: Uint8Array, privateKey: Uint8Array): Uint8Array {
  return secp256k1.ecdsaSign(sha256(message), privateKey).signature;
}

/** 65 bytes, uncompressed: what verify otherwise computes each time (a tenth of it). Undefined: no key at all. */
export function expandPublicKey(publicKey: Uint8Array): Uint8Array | undefined {
  try {
    return secp256k1.publicKeyConvert(publicKey, false);
  } catch {
    return undefined;
  }
}

/** False for a wrong signature and for bytes that are no signature or no key at all. */
export function verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    return secp256k1.ecdsaVerify(signature, sha256(message), publicKey);
  } catch {
    return false;
  }
}

export function isPrivateKey(bytes: Uint8Array): boolean {
  return bytes.length === 32 && secp256k1.privateKeyVerify(bytes);
}
