import { describe, expect, it } from 'vitest';
import { attempt, within } from '../../src/tools/sampling.ts';

const ctx = () => ({ signal: new AbortController().signal });

describe('parts of an answer', () => {
  it('that fail become null with the reason, and do not take the answer with them', async () => {
    const denied = Promise.reject(Object.assign(new Error('EACCES: /proc/x'), { code: 'EACCES' }));
    expect(await attempt(denied, ctx())).toEqual({ value: null, why: 'EACCES: /proc/x' });
    expect(await attempt(Promise.reject(new TypeError('secret detail')), ctx())).toEqual({
      value: null,
      why: 'Something failed inside the server.',
    });
  });

  it('that are slow are left behind, that are quick are not', async () => {
    expect(await within(5, new Promise(() => {}), ctx())).toMatchObject({
      value: null,
      why: expect.stringContaining('not known after 5 ms'),
    });
    expect(await within(10_000, Promise.resolve(7), ctx())).toEqual({ value: 7 });
  });

  it('end with their caller', async () => {
    const leaving = new AbortController();
    const slow = within(10_000, new Promise(() => {}), { signal: leaving.signal });
    leaving.abort(new DOMException('gone', 'AbortError'));
    await expect(slow).rejects.toThrow('gone');
    const failed = attempt(Promise.reject(new Error('late')), { signal: leaving.signal });
    await expect(failed).rejects.toThrow('gone');
  });
});
