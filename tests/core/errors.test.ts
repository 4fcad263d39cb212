/** How what fails is told: the one table of the operating system's errors, and what a caller gets to see of one. */
import { mkdirSync, readFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { CODES, type Code, OpsError, toOpsError, toWire } from '../../src/core/errors.ts';

const ofSystem = (code: string, message = `${code}: something`) => Object.assign(new Error(message), { code });

/** Written out a second time on purpose: a changed row changes what clients and scripts do. */
const WANTED: Record<Exclude<Code, 'internal'>, string[]> = {
  not_found: ['ENOENT', 'ESRCH', 'ENOTDIR'],
  permission: ['EACCES', 'EPERM', 'EROFS'],
  conflict: ['EEXIST', 'ENOTEMPTY', 'EBUSY', 'EADDRINUSE'],
  validation: ['EINVAL', 'ENAMETOOLONG', 'ELOOP', 'EISDIR'],
  unavailable: [
    ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EAGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EIO'],
    ...['ENOTCONN', 'ESTALE'],
  ],
  timeout: ['ETIMEDOUT'],
  limit: ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'EFBIG'],
};

describe('what the operating system says', () => {
  test.each(Object.entries(WANTED).flatMap(([code, names]) => names.map((errno) => [errno, code] as const)))(
    '%s is %s',
    (errno, code) => {
      const thrown = ofSystem(errno);
      const error = toOpsError(thrown);
      expect(error).toMatchObject({ code, message: thrown.message, cause: thrown, details: { errno } });
    },
  );

  test('every other errno is our bug: it says nothing of itself, and the log has the cause', () => {
    const known = new Set(Object.values(WANTED).flat());
    for (const errno of [...Object.keys(constants.errno).filter((e) => !known.has(e)), 'ERR_INVALID_ARG_TYPE', '']) {
      const thrown = ofSystem(errno, `/root/hunter2: ${errno}`);
      const error = toOpsError(thrown);
      expect([errno, error.code]).toEqual([errno, 'internal']);
      expect(JSON.stringify(toWire(error))).not.toContain('hunter2');
      expect(error.cause).toBe(thrown);
    }
  });

  test('as it really comes from the kernel', () => {
    const failing: [() => unknown, Code][] = [
      [() => readFileSync('/no/such/file'), 'not_found'],
      [() => readFileSync('/dev/null/x'), 'not_found'],
      [() => readFileSync(tmpdir()), 'validation'],
      [() => readFileSync(`/${'x'.repeat(300)}`), 'validation'],
      [() => mkdirSync(tmpdir()), 'conflict'],
    ];
    for (const [run, code] of failing) {
      let error: OpsError | null = null;
      try {
        run();
      } catch (thrown) {
        error = toOpsError(thrown);
      }
      expect(error?.code).toBe(code);
    }
  });
});

describe('what else is thrown', () => {
  test('an OpsError is itself, untouched', () => {
    const error = new OpsError('conflict', 'Busy.', { hint: 'Wait.' });
    expect(toOpsError(error)).toBe(error);
    expect(error).toBeInstanceOf(Error);
  });
  test('an abort says who ended it', () => {
    expect(toOpsError(AbortSignal.abort().reason)).toMatchObject({ code: 'timeout', message: 'The caller cancelled.' });
    expect(toOpsError(new DOMException('10 s', 'TimeoutError'))).toMatchObject({
      code: 'timeout',
      message: 'The operation did not finish in time.',
    });
  });
  test.each([
    ['a bug', new TypeError('hunter2 is not a function')],
    ['another DOMException', new DOMException('hunter2', 'DataCloneError')],
    ['a string', 'hunter2'],
    ['a record that only looks like an error', { code: 'ENOENT', message: 'hunter2' }],
    ['nothing', undefined],
    ['a name that every object has', ofSystem('constructor', 'hunter2')],
  ])('%s is internal, and does not show itself', (_what, thrown) => {
    const error = toOpsError(thrown);
    expect(error.code).toBe('internal');
    expect(error.details.hint).toMatch(/log/);
    expect(JSON.stringify(toWire(error, 'c1'))).not.toContain('hunter2');
  });
});

test('on the wire an error has code, message, its way out and the call, and no errno', () => {
  const error = new OpsError('limit', 'Full.', {
    hint: 'Make room.',
    candidates: ['a'],
    retryAfterMs: 5,
    errno: 'ENOSPC',
    cause: new Error('hunter2'),
  });
  expect(toWire(error, 'c1')).toEqual({
    code: 'limit',
    message: 'Full.',
    hint: 'Make room.',
    candidates: ['a'],
    retryAfterMs: 5,
    call: 'c1',
  });
  expect(toWire(new OpsError('internal', 'No.'))).toEqual({ code: 'internal', message: 'No.' });
});

test('each code is told apart by its status and its exit code, and none of them is success', () => {
  const rows = Object.values(CODES);
  expect(new Set(rows.map((r) => r.http)).size).toBe(rows.length);
  expect(new Set(rows.map((r) => r.exit)).size).toBe(rows.length);
  for (const { http, exit } of rows) {
    expect(http).toBeGreaterThanOrEqual(400);
    expect(exit).toBeGreaterThan(0);
  }
});
