// A number on a command line.
import { InvalidArgumentError } from 'commander';

/** @returns a parser for commander, which tells the limits of what it refuses */
export const wholeNumber =
  (min: number, max = 1_000_000_000) =>
  (value: string): number => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) {
      throw new InvalidArgumentError(`must be a whole number between ${min} and ${max}`);
    }
    return number;
  };
