/** A door as the faces see it: the real rights (policy/authorize.ts), the rest small and in memory. Every record is kept. */

import type { Call, Log, Outcome, Principal } from '../../src/core/call.ts';
import { OpsError, toOpsError } from '../../src/core/errors.ts';
import type { Mode, Scope } from '../../src/core/scopes.ts';
import { scopesOfCall } from '../../src/core/tool.ts';
import { admit, need, visible } from '../../src/policy/authorize.ts';
import type { Door, Policy, Refused } from '../../src/policy/ports.ts';
import { openAccess } from '../fakes/policy.ts';
import { catalog } from './fixture-tools.ts';

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

export const who = (id: string, scopes: Scope[], over: Partial<Principal> = {}): Principal => ({
  id,
  kind: 'token',
  scopes: new Set(scopes),
  expiresAtMs: null,
  valid: () => true,
  ...over,
});

export interface Record {
  event: 'call' | 'refused';
  what: string;
  code: string;
  who: string;
  client?: string | undefined;
  address?: string | undefined;
  call: Call | null;
}

export interface FixtureDoor {
  door: Door;
  records: Record[];
  /** The rate: how long the next calls must wait. */
  waitMs: { now: number | null };
}

export function fixtureDoor(o: { mode?: Mode } = {}): FixtureDoor {
  const records: Record[] = [];
  const waitMs = { now: null as number | null };
  const p = {
    catalog,
    access: openAccess,
    off: () => null,
    mode: o.mode ?? 'full',
    clock: { now: Date.now },
  } as unknown as Policy;

  function check(call: Call): OpsError | null {
    try {
      admit(call, p);
      if (waitMs.now === null) return null;
      return new OpsError('limit', 'Too many calls.', { hint: 'Wait.', retryAfterMs: waitMs.now });
    } catch (thrown) {
      return toOpsError(thrown);
    }
  }

  async function walk(call: Call): Promise<Outcome> {
    const refusal = check(call);
    if (refusal) throw refusal;
    const { who: principal, tool } = admit(call, p);
    const parsed = tool.input.safeParse(call.args ?? {});
    if (!parsed.success) {
      const hint = `${tool.name} takes: ${Object.keys(tool.input.shape).join(', ')}.`;
      throw new OpsError('validation', parsed.error.issues[0]?.message ?? '', { hint });
    }
    need(principal, scopesOfCall(tool, parsed.data), tool);
    if (tool.change)
      return {
        status: 'pending',
        data: { state: 'pending', summary: 'x', next: 'Ask.' },
        text: 'pending',
        foreignPaths: [],
      };
    const ctx = {
      signal: call.signal,
      progress: (done: number, total?: number, text?: string) =>
        call.progress?.({ done, ...(total === undefined ? {} : { total }), ...(text === undefined ? {} : { text }) }),
    };
    const data = (await tool.handler?.(parsed.data, ctx as never)) as { [k: string]: unknown };
    const foreignPaths = 'lines' in data ? ['lines[]'] : [];
    return { status: 'done', data, text: tool.text(data as never, {} as never), foreignPaths };
  }

  const door: Door = {
    catalog,
    check,
    visible: (principal, narrow) => visible(principal, narrow, p),
    async run(call) {
      let outcome: Outcome;
      try {
        outcome = await walk(call);
      } catch (thrown) {
        outcome = { status: 'failed', error: toOpsError(thrown) };
      }
      const code = outcome.status === 'failed' ? outcome.error.code : outcome.status;
      records.push({
        event: 'call',
        what: call.tool,
        code,
        who: call.principal?.id ?? 'anonymous',
        client: call.client,
        address: call.address,
        call,
      });
      return outcome;
    },
    refused(r: Refused) {
      records.push({
        event: 'refused',
        what: r.what,
        code: r.reason.code,
        who: r.principal?.id ?? 'anonymous',
        address: r.address,
        call: null,
      });
    },
  };
  return { door, records, waitMs };
}
