/** A door over fixture tools, with every part in memory and every part replaceable. */
import { hash } from 'node:crypto';
import type { Call, Log, Principal } from '../../src/core/call.ts';
import { createRedactor } from '../../src/core/redact.ts';
import type { Mode, Scope } from '../../src/core/scopes.ts';
import type { Catalog } from '../../src/core/tool.ts';
import { createAccess } from '../../src/policy/access.ts';
import { createApprovals } from '../../src/policy/approve.ts';
import { createCoalescer } from '../../src/policy/coalesce.ts';
import { createDeciding, type Deciding } from '../../src/policy/deciding.ts';
import { createDoor } from '../../src/policy/pipeline.ts';
import type { Door, Policy } from '../../src/policy/ports.ts';
import { createRefusals } from '../../src/policy/refusals.ts';
import { resultsFor } from '../../src/policy/results.ts';
import type { Rule } from '../../src/policy/rules.ts';
import { createSlots } from '../../src/policy/slots.ts';
import { createUnderWay, type UnderWay } from '../../src/policy/under_way.ts';
import { receiptsFor } from '../../src/policy/undo.ts';
import { type Approvals as ApprovalStore, openApprovals } from '../../src/store/approvals.ts';
import type { KeptRow } from '../../src/store/kept.ts';
import type { Receipts } from '../../src/store/receipts.ts';
import type { WorkRow } from '../../src/store/work.ts';
import { type FakeClock, fakeClock } from './clock.ts';
import { memoryDb } from './memory_db.ts';
import { memoryReceipts } from './receipts.ts';
import { fixtureCatalog } from './tools.ts';

export interface Rig {
  /** Questions to a person, in a real store in memory. */
  asked: ApprovalStore;
  deciding: Deciding;
  door: Door;
  policy: Policy;
  clock: FakeClock;
  records: { event: string; durable: boolean; fields: Record<string, unknown> }[];
  kept: Map<string, KeptRow & { principal: string }>;
  work: Map<string, WorkRow & { principal: string; cancel: boolean }>;
  receipts: Receipts;
  observed: string[];
  held: Set<string>;
  underWay: UnderWay;
}

/** Nobody has rules: everybody has what the credential holds. */
export const openAccess = createAccess({ roles: [], principals: [], tools: [], log: { warn() {} } });

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

export const who = (id: string, scopes: Scope[], over: Partial<Principal> = {}): Principal => ({
  id,
  kind: 'token',
  scopes: new Set(scopes),
  expiresAtMs: null,
  valid: () => true,
  ...over,
});
export const reader = who('token:reader', ['system:read', 'logs:read']);
export const operator = who('token:operator', ['system:write', 'files:write', 'logs:read']);

let calls = 0;
export const callOf = (tool: string, args: unknown = {}, over: Partial<Call> = {}): Call => ({
  id: `call-${++calls}`,
  face: 'mcp-stdio',
  tool,
  args,
  principal: operator,
  signal: new AbortController().signal,
  ...over,
});

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';
const handle = (prefix: string, n: number) =>
  `${prefix}_${[...String(n).padStart(26, '0')].map((d) => base32[Number(d)]).join('')}`;

export function rig(
  over: Partial<Policy> & { catalog?: Catalog; mode?: Mode; rules?: Rule[]; client?: 'never' | 'change' } = {},
): Rig {
  const clock = fakeClock();
  const records: Rig['records'] = [];
  const kept: Rig['kept'] = new Map();
  const work: Rig['work'] = new Map();
  const observed: string[] = [];
  const held = new Set<string>();
  const mode = over.mode ?? 'full';
  let opened: ApprovalStore | undefined;
  let receipts: Receipts | undefined;
  const asked = () => {
    opened ??= openApprovals(memoryDb(), { now: clock.now });
    return opened;
  };
  const approvals = () => {
    const { redactor, log } = policy;
    const audit: Pick<Policy['audit'], 'append' | 'digest'> = {
      append: (event, fields, o) => policy.audit.append(event, fields, o),
      digest: (text) => hash('sha256', text),
    };
    const { rules = [], client = 'never' } = over;
    return createApprovals({ mode, rules, client, minutes: 10, store: asked(), audit, redactor, log });
  };
  const policy: Policy = {
    catalog: fixtureCatalog,
    access: openAccess,
    off: () => null,
    mode,
    context: { host: {} as never, recent: () => [], recentProcesses: () => null, absent: () => [] },
    clock,
    probing: () => ({ spend() {} }),
    rate: { take: () => null, peek: () => null, takeChange: () => null },
    slots: createSlots({ inAll: 100, perPrincipal: 100 }),
    approvals: { decide: (request, answer) => approvals().decide(request, answer) },
    locks: {
      acquire(key) {
        if (held.has(key)) return null;
        held.add(key);
        return { [Symbol.dispose]: () => void held.delete(key) };
      },
    },
    get receipts() {
      receipts ??= memoryReceipts({ now: clock.now });
      return receipts;
    },
    audit: {
      append: (event, fields, o) => void records.push({ event, durable: o?.durable === true, fields }),
      digest: (text) => `digest:${text.length}`,
    },
    records: {
      search: async () => ({ entries: [], corrupt: 0, bytes: { looked: 0, total: 0 }, stopped: null, next: null }),
    },
    refusals: { note() {}, close() {} },
    kept: {
      put(r) {
        const id = handle('r', kept.size);
        kept.set(id, { ...r, handle: id, createdAtMs: clock.now(), expiresAtMs: clock.now() + 1_800_000 });
        return id;
      },
    },
    work: {
      begin(w) {
        const id = handle('w', work.size);
        const times = { createdAtMs: clock.now(), expiresAtMs: clock.now() + 1_800_000 };
        work.set(id, {
          ...w,
          ...times,
          handle: id,
          state: 'running',
          progress: null,
          kept: null,
          error: null,
          cancel: false,
        });
        return id;
      },
      progress: (id, progress) => void Object.assign(work.get(id) ?? {}, { progress }),
      finish: (id, end) => void Object.assign(work.get(id) ?? {}, { kept: null, error: null, ...end }),
      cancelRequested: (id) => work.get(id)?.cancel === true,
    },
    metrics: { observe: (tool, outcome) => void observed.push(`${tool} ${outcome}`) },
    redactor: createRedactor({}),
    log: quiet,
    waitMs: 20_000,
    ...over,
  };
  policy.refusals = over.refusals ?? createRefusals(policy);
  const store = {
    kept: (h: string, p: string) => (kept.get(h)?.principal === p ? (kept.get(h) ?? null) : null),
    work: (h: string, p: string) => (work.get(h)?.principal === p ? (work.get(h) ?? null) : null),
    approval: (h: string) => asked().get(h),
    receipt: (h: string, principal: Principal) => receiptsFor(principal, policy).get(h),
    requestCancel(h: string) {
      const row = work.get(h);
      if (row?.state !== 'running') return false;
      row.cancel = true;
      return true;
    },
  };
  const underWay = createUnderWay(clock);
  const door = createDoor(policy, {
    coalescer: createCoalescer(clock),
    results: resultsFor(store, clock, policy.access),
    underWay,
  });
  return {
    get asked() {
      return asked();
    },
    get deciding() {
      return createDeciding({ store: asked(), audit: policy.audit, log: policy.log });
    },
    door,
    policy,
    clock,
    records,
    kept,
    work,
    get receipts() {
      return policy.receipts as Receipts;
    },
    observed,
    held,
    underWay,
  };
}
