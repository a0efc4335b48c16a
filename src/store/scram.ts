// A password as PostgreSQL keeps it (SCRAM-SHA-256, RFC 5802 and 7677), so that no statement, and no log of one, has it in
// clear.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

const ITERATIONS = 4096;
const SALT_BYTES = 16;

/** @param salt given by tests only */
export function scramVerifier(password: string, salt: Buffer = randomBytes(SALT_BYTES)): string {
  // Others are prepared by rules (RFC 4013) that client and server must agree on.
  if (!/^[\x20-\x7e]+$/.test(password)) throw new Error('the password must be printable ASCII');
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256');
  const keyOf = (name: string) => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${stored}:${keyOf('Server Key').toString('base64')}`;
}
