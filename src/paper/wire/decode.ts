// Signed transaction bytes → what CheckTx judges. Nothing is trusted here: a transaction that cannot be read is
// undefined (sdk/2), one that can be read is not yet checked. Envelopes by hand, clob messages by the client's code.
import { decodeMessage, type Message } from './message.ts';
import {
  bytesField,
  numberField,
  readFields,
  readVarints,
  textField,
  writeBytes,
  writeNumber,
} from './protobuf.ts';

/** TxBody.non_critical_extension_options */
const EXTENSIONS_FIELD = 2047;

export type Transaction = {
  /** sha256 of the bytes in upper-case hex */
  readonly hash: string;
  readonly bytes: Uint8Array;
  readonly messages: readonly Message[];
  readonly memo: string;
  readonly timeoutHeight: number;
  /** of the one signer: a plain sequence, or unix milliseconds from 2^40 on */
  readonly sequence: number;
  readonly authenticators: readonly bigint[];
  readonly signatures: readonly Uint8Array[];
  /** empty when the signer left it out */
  readonly publicKey: Uint8Array;
  readonly signBytes: (chainId: string, accountNumber: number) => Uint8Array;
};

function decodeAuthenticators(extensions: readonly Uint8Array[]): bigint[] {
  return extensions.flatMap((any) => {
    const fields = readFields(any);
    if (textField(fields, 1) !== '/dydxprotocol.accountplus.TxExtension') return [];
    // repeated uint64, packed or not; the official signer always adds an extension, mostly an empty one
    return readFields(bytesField(fields, 2)).flatMap((field) => {
      if (field.number !== 1) return [];
      return field.isNumeric ? [field.value] : readVarints(field.bytes);
    });
  });
}

export function decodeTransaction(bytes: Uint8Array, hash: string): Transaction | undefined {
  try {
    const raw = readFields(bytes);
    const bodyBytes = bytesField(raw, 1);
    const authInfoBytes = bytesField(raw, 2);
    const body = readFields(bodyBytes);
    const signerInfo = readFields(bytesField(readFields(authInfoBytes), 1));
    const publicKeyAny = readFields(bytesField(signerInfo, 1));
    const extensions = body.filter((field) => field.number === EXTENSIONS_FIELD).map((field) => field.bytes);
    return {
      hash,
      bytes,
      messages: body.filter((field) => field.number === 1).map((field) => decodeMessage(field.bytes)),
      memo: textField(body, 2),
      timeoutHeight: Number(numberField(body, 3)),
      sequence: Number(numberField(signerInfo, 3)),
      authenticators: decodeAuthenticators(extensions),
      signatures: raw.filter((field) => field.number === 3).map((field) => field.bytes),
      publicKey: bytesField(readFields(bytesField(publicKeyAny, 2)), 1),
      signBytes: (chainId, accountNumber) =>
        Buffer.concat([
          writeBytes(1, bodyBytes),
          writeBytes(2, authInfoBytes),
          writeBytes(3, chainId),
          writeNumber(4, BigInt(accountNumber)),
        ]),
    };
  } catch {
    // Whatever a decoder throws means the same to a node: these bytes are no transaction.
    return undefined;
  }
}
