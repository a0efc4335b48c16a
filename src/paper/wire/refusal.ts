// A refusal as CheckTx words it: codes are meaningful only together with their codespace.

export type Refusal = { readonly codespace: string; readonly code: number; readonly log: string };

export function refuse(codespace: string, code: number, log: string): Refusal {
  return { codespace, code, log };
}

export function refuseClob(code: number, log: string): Refusal {
  return { codespace: 'clob', code, log };
}
