// Where a page of orders ended, as text that a person can copy.

export type OrderCursor = {
  /** microseconds since 1970, as PostgreSQL keeps them: a Date would cut them to milliseconds */
  readonly createdAtMicros: string;
  readonly id: string;
};

const CURSOR = /^(\d{1,16})_([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})$/i;

/** @returns undefined for text that is no cursor */
export function parseCursor(text: string): OrderCursor | undefined {
  const [, createdAtMicros, id] = CURSOR.exec(text) ?? [];
  return createdAtMicros === undefined || id === undefined ? undefined : { createdAtMicros, id };
}

export function formatCursor({ createdAtMicros, id }: OrderCursor): string {
  return `${createdAtMicros}_${id}`;
}
