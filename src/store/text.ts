// Text that PostgreSQL takes, whatever it was: no NUL bytes, no half characters, cut.

export function storableText(value: string, maxChars: number): string {
  return value.slice(0, maxChars).replaceAll('\0', '\uFFFD').toWellFormed();
}
