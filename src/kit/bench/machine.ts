// What a bench runs on, told with every figure: a figure is worth nothing without it.
import { cpus, loadavg } from 'node:os';
import { publicKeyOf, sign, verify } from '../../chain/ecdsa.ts';

export type Machine = {
  readonly cpus: string;
  readonly node: string;
  readonly postgres: string;
  /** µs of one secp256k1 signature, before and after: how fast this machine was */
  readonly signature_us: readonly [before: number, after: number];
  /** of the last minute */
  readonly load: number;
};

/** Of PostgreSQL: as durable as it comes by default; only sized for the machine. */
export const SERVER_SETTINGS = [
  'synchronous_commit=on',
  'fsync=on',
  'full_page_writes=on',
  'shared_buffers=512MB',
  'max_wal_size=4GB',
];

const SIGNATURES = 2_000;

/** At the end of a bench. @param signatureBefore µs, at its start */
export function describeMachine(postgres: string, signatureBefore: number): Machine {
  return {
    cpus: `${cpus().length} × ${cpus()[0]?.model}`,
    node: process.version,
    postgres,
    signature_us: [signatureBefore, signatureMicroseconds()],
    load: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

export function signatureMicroseconds(): number {
  const key = Buffer.alloc(32, 7);
  const message = Buffer.alloc(200, 1);
  if (!verify(message, sign(message, key), publicKeyOf(key))) throw new Error('signatures do not verify');
  for (let warmUp = 0; warmUp < SIGNATURES / 10; warmUp++) sign(message, key);
  const startedMs = performance.now();
  for (let index = 0; index < SIGNATURES; index++) sign(message, key);
  return Number((((performance.now() - startedMs) * 1_000) / SIGNATURES).toFixed(1));
}
