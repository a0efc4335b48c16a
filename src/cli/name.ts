// A name on a command line: of a tenant, an account, a market, an order.
import { InvalidArgumentError } from 'commander';

/** What is longer or holds NUL bytes names nothing that could have been recorded. */
export const name =
  (maxChars: number) =>
  (value: string): string => {
    if (value === '' || value.length > maxChars || value.includes('\0') || !value.isWellFormed())
      throw new InvalidArgumentError(`must be text of 1 to ${maxChars} characters`);
    return value;
  };
