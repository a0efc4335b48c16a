// One test a row of the table: what an error of the database means for what is done next.
import { describe, expect, test } from 'vitest';
import { isDataError, isTransient } from '../../src/store/sqlstate.ts';

const withCode = (code: unknown, rest: object = {}) => Object.assign(new Error('x'), { code, ...rest });

describe.each([
  ['40001', 'serialization_failure', 'transient'],
  ['40P01', 'deadlock_detected', 'transient'],
  ['40002', 'transaction_integrity_constraint_violation', 'neither'],
  ['40003', 'statement_completion_unknown: it may have happened', 'neither'],
  ['22001', 'string_data_right_truncation', 'data'],
  ['22003', 'numeric_value_out_of_range', 'data'],
  ['22021', 'character_not_in_repertoire: a NUL byte', 'data'],
  ['22P02', 'invalid_text_representation', 'data'],
  ['22P05', 'untranslatable_character: NUL in jsonb', 'data'],
  ['23502', 'not_null_violation', 'data'],
  ['23503', 'foreign_key_violation', 'data'],
  ['23505', 'unique_violation', 'data'],
  ['23514', 'check_violation', 'data'],
  ['08006', 'connection_failure', 'neither'],
  ['25P03', 'idle_in_transaction_session_timeout', 'neither'],
  ['42501', 'insufficient_privilege', 'neither'],
  ['42P01', 'undefined_table', 'neither'],
  ['53300', 'too_many_connections', 'neither'],
  ['55P03', 'lock_not_available', 'neither'],
  ['57014', 'query_canceled', 'neither'],
  ['57P01', 'admin_shutdown', 'neither'],
  ['XX000', 'internal_error', 'neither'],
  ['ECONNRESET', 'an errno', 'neither'],
  [22003, 'a number', 'neither'],
  [undefined, 'no code', 'neither'],
])('%s (%s)', (code, _name, meaning) => {
  test(`is ${meaning}`, () => {
    expect(isTransient(withCode(code))).toBe(meaning === 'transient');
    expect(isDataError(withCode(code))).toBe(meaning === 'data');
  });
});

test.each([null, undefined, '22003', 22003, {}])('%j is no error of the database', (error) => {
  expect([isTransient(error), isDataError(error)]).toEqual([false, false]);
});
