/**
 * The only wiring: config becomes store, host, policy and a door. It is the one file that sees all layers but the
 * faces, which are handed an App and nothing else. Nothing is decided here that a test of one part could not see.
 */
import { resolve } from 'node:path';
import { accessMustMatter } from './config/access_matter.ts';
import { dockerSettings } from './config/engines.ts';
import { surroundings } from './config/env.ts';
import type { Loaded } from './config/load.ts';
import { mustMatter, offByConfig } from './config/off.ts';
import { ourFiles } from './config/ours.ts';
import type { Log, Principal } from './core/call.ts';
import type { Host } from './core/host.ts';
import type { Receipts } from './core/receipt.ts';
import { createRedactor } from './core/redact.ts';
import type { Catalog } from './core/tool.ts';
import { openIndexing } from './file_indexer.ts';
import { createHost } from './host/index.ts';
import { hostParts } from './host/parts.ts';
import { openSyslog, type Syslog, syslogTrouble } from './host/syslog.ts';
import type { NotifyOptions } from './host/systemd_notify.ts';
import { createAccess } from './policy/access.ts';
import { bearerPrincipal, cliPrincipal, stdioPrincipal, withGrants } from './policy/authenticate.ts';
import { machineClock as clock } from './policy/clock.ts';
import { createCoalescer } from './policy/coalesce.ts';
import type { Deciding } from './policy/deciding.ts';
import { createExplain, type Explain } from './policy/explain.ts';
import type { Links } from './policy/links.ts';
import { createMeasures, type MeasureDesk } from './policy/measures.ts';
import { createMetrics } from './policy/metrics.ts';
import { createParts } from './policy/parts.ts';
import { createDoor } from './policy/pipeline.ts';
import type { Door, Policy } from './policy/ports.ts';
import { createProbing } from './policy/probing.ts';
import { createRate } from './policy/rate.ts';
import { createRefusals } from './policy/refusals.ts';
import { resultsFor } from './policy/results.ts';
import { createSlots } from './policy/slots.ts';
import { createTransfers, type TransferDesk } from './policy/transfers.ts';
import { createUnderWay } from './policy/under_way.ts';
import { receiptsFor } from './policy/undo.ts';
import { createSampler } from './sampler.ts';
import { openAudit } from './store/audit.ts';
import { type AuditFiles, auditFiles, lineOf } from './store/audit_files.ts';
import { headLine } from './store/audit_heads.ts';
import { searchAudit } from './store/audit_read.ts';
import { openDb } from './store/db.ts';
import { openDiskHistory } from './store/disk_snapshots.ts';
import { openKept } from './store/kept.ts';
import { type Lease, openLeases } from './store/leases.ts';
import { openLocks } from './store/locks.ts';
import { newOwner } from './store/owner.ts';
import { openQuotas } from './store/quotas.ts';
import { openReceipts } from './store/receipts.ts';
import { finishRestore } from './store/restore.ts';
import type { Seen } from './store/seen.ts';
import { becomeOwner, openState, type StateDir } from './store/state.ts';
import { openTokens, type Tokens } from './store/tokens.ts';
import { openWork } from './store/work.ts';
import { emptied, hourly, tidy } from './tidying.ts';
import { catalog } from './tools/index.ts';
import { type Channels, openApproving } from './wiring_approvals.ts';
import { type Auth, openAuth } from './wiring_auth.ts';
import { openSecurity } from './wiring_security.ts';

export interface App {
  config: Loaded['config'];
  log: Log;
  door: Door;
  host: Host;
  state: StateDir;
  info: { hostname: string; kind: string; version: string };
  /** Files that the HTTP face takes and gives by requests of their own. */
  transfers: TransferDesk;
  /** Who may measure the way here, over HTTP. */
  measures: MeasureDesk;
  principals: { stdio(): Principal; cli(): Principal; bearer(secret: string): Principal | null };
  /** Who somebody is who comes over HTTP. Loads what that takes. */
  auth(): Promise<Auth & { tier(who: Principal): number | undefined }>;
  tokens: Tokens;
  /** When a principal was here. */
  seen: Seen['of'];
  /** What a person at this host decides. No tool leads here. */
  deciding: Deciding;
  /** What was sent out to decide by elsewhere; null: nothing is. */
  links: Links | null;
  channels: Channels;
  /** What the owner's policy says of a call that nobody makes. */
  explain: Explain;
  /** What changes left, as far as this one may see it. */
  receipts(principal: Principal): Pick<Receipts, 'list' | 'get'>;
  lease(name: string): Lease | null;
  /** The loop turned and the sampler ticked: never depends on what may be away for good reasons. */
  live(): boolean;
  ready(): { ready: boolean; reasons: string[] };
  /** Why the database is out of order, null when it is well. */
  storeTrouble(): string | null;
  close(): Promise<void>;
}

/** The audit of a state folder, for who reads it beside a server or without one: nothing else is opened, nothing is made. */
export function auditOf(dir: string): AuditFiles {
  becomeOwner(dir);
  return auditFiles(resolve(dir));
}
export const auditLine = lineOf;
export { becomeOwner };
/** Of commands that want nothing else of the house. */
export const askTailnet = async ({ tailnet }: Loaded['config']) =>
  (await import('./host/tailnet/index.ts')).createTailnet({ socket: tailnet.localApi });
export const superviseBy = async (o: NotifyOptions) => (await import('./host/systemd_notify.ts')).openNotify(o);
export const showUnit = async (unit: string, names: readonly string[]) =>
  (await import('./host/systemd_unit.ts')).unitProperties(unit, names);
export { POLKIT_PATH, polkitRule } from './insight/polkit_rule.ts';
export type { AuditFiles };

export type Role = 'serve' | 'stdio' | 'cli';

/** How long a stop waits for changes that have begun; service managers wait longer than this (deploy/). */
const STOP_MS = 30_000;

const SYSLOG_MS = 2_500;
function syslogFor(how: Loaded['config']['audit']['heads'], log: Log): Syslog | null {
  if (how === 'off') return null;
  const trouble = syslogTrouble();
  if (trouble === null) return openSyslog(log);
  if (how === 'syslog')
    log.warn({ why: trouble }, 'audit.heads is syslog, and heads of the audit cannot be told there');
  return null;
}

export async function createApp(o: {
  loaded: Loaded;
  log: Log;
  role: Role;
  version: string;
  /** For tests of the whole house with tools that can be steered. */
  catalog?: Catalog;
  /** Repeats, and gives what stops it. */
  everyHour?: (work: () => void) => () => void;
}): Promise<App> {
  const { config } = o.loaded;
  const { log } = o;
  mustMatter(o.loaded, (o.catalog ?? catalog).tools);
  accessMustMatter(o.loaded, (o.catalog ?? catalog).tools);
  // As root on a folder of another user (the service's): become that user, or what we write it could not read.
  becomeOwner(config.state.dir);
  const state = openState(config.state.dir, surroundings().credentialsDirectory);
  // Begun and killed: the state is what was being restored, once this is done.
  if (finishRestore(state)) log.warn({ path: state.dir }, 'a restore that was interrupted is finished');
  const db = openDb(state, log);
  const self = newOwner();
  const syslog = syslogFor(config.audit.heads, log);
  const audit = openAudit(state, log, {
    segmentBytes: config.audit.segmentBytes,
    retention: { bytes: config.audit.keepBytes },
    self,
    tell: (head) => syslog?.tell(head.segment, headLine(head, state.dir)),
  });
  const uid = process.getuid?.() ?? 0;
  const by = `${o.role}:${uid}`;
  const { tokens, security, seen, ...rules } = openSecurity({ db, audit, clock, by, tokens: openTokens(state, log) });
  const kept = openKept(db);
  const work = openWork(db, self);
  const locks = openLocks(db, self);
  const quotas = openQuotas(db);
  const receipts = openReceipts(state, db, { self });
  const leases = openLeases(state, log);
  const docker = dockerSettings(config);
  const ours = ourFiles(o.loaded);
  const indexing = openIndexing({ settings: config.files, ours, state, lease: leases.tryLease, clock, log });
  const host = createHost({
    procRoot: config.host.root,
    log,
    protect: config.processes.protect,
    stateDir: config.state.dir,
    diskHistory: openDiskHistory(db),
    docker,
    dockerRules: config.docker,
    serviceRules: config.services,
    probes: { allow: config.net.allow, deny: config.net.deny },
    peers: config.peers,
    tailnet: { ...config.tailnet, port: config.http.port },
    files: { ...config.files, ours, index: indexing.index },
  });
  const identity = host.system.identity();
  const sampler = createSampler({
    system: host.system,
    lease: () => leases.tryLease('sampler'),
    everyMs: config.sampling.seconds * 1_000,
    keep: config.sampling.keep,
    clock,
    log,
  });
  const off = offByConfig(config);
  const tools = o.catalog ?? catalog;
  // What the owner has switched off is not missed.
  const wanted = hostParts({ docker, root: config.host.root, roots: config.files.roots, ...config.tailnet }).filter(
    (part) => tools.tools.some((t) => t.toolset === part.toolset && (part.tool ?? t.name) === t.name && !off(t)),
  );
  const parts = createParts(wanted, clock.elapsed);
  const redactor = createRedactor({ values: [...config.redact.values] });
  const access = createAccess({ ...config, tools: tools.tools, log, whereOf: o.loaded.whereOf });
  const { hostname } = identity;
  const approving = openApproving({ config, role: o.role, db, audit, redactor, hostname, clock, log });
  rules.tell(approving.notices.security);
  const policy: Policy = {
    catalog: tools,
    access,
    off: (tool) => off(tool) ?? parts.off(tool),
    mode: config.mode,
    context: {
      host,
      recent: sampler.recent,
      recentProcesses: sampler.recentProcesses,
      absent: parts.absent,
      offers: (toolset) => tools.tools.some((t) => t.toolset === toolset && !off(t) && !parts.off(t)),
      redactor,
      // A person's one command cannot ask again: the process ends with its answer.
      ...(o.role === 'cli' ? { patienceMs: 2_400 } : {}),
    },
    clock,
    rate: createRate({ ...config.limits, perMinute: config.limits.callsPerMinute, reserve: quotas.reserve, clock }),
    probing: createProbing({
      reserve: quotas.reserve,
      perMinute: config.net.probesPerMinute,
      addressesPerHour: config.net.addressesPerHour,
      clock,
    }),
    slots: createSlots({ inAll: config.limits.concurrentCalls, perPrincipal: config.limits.concurrentPerPrincipal }),
    approvals: approving.approvals,
    locks: { acquire: (key) => locks.acquire(key, self) },
    receipts,
    audit,
    records: { search: (query, signal) => searchAudit(state.audit, query, signal) },
    refusals: createRefusals({ audit, clock, redactor, security }),
    security,
    kept,
    work,
    metrics: createMetrics(),
    redactor,
    log,
    waitMs: config.limits.waitSeconds * 1_000,
  };
  const transfers = createTransfers(config.files.transfers, policy);
  policy.transfers = transfers;
  const results = resultsFor(
    {
      kept: kept.get,
      work: work.get,
      requestCancel: work.requestCancel,
      approval: approving.questions.get,
      receipt: (id, who) => receiptsFor(who, policy).get(id),
    },
    clock,
    access,
  );
  const underWay = createUnderWay(clock);
  const door = createDoor(policy, { coalescer: createCoalescer(clock), results, underWay });

  const info = { hostname, kind: identity.virtualisation.kind, version: o.version };
  if (o.role !== 'cli') {
    for (const { what, why, fix } of parts.absent()) log.info({ what, why, fix }, 'Left out: this host lacks it.');
    const { role, version } = o;
    audit.append('start', { role, version, mode: config.mode, uid, ...rules.noteRules(role, config) });
    sampler.start(o.role === 'stdio' ? 500 : 0);
    indexing.start({ files: host.files, redactor, secrets: config.redact.values });
  }
  // A command ends before anything has grown old.
  const stopTidying =
    o.role === 'cli'
      ? null
      : (o.everyHour ?? hourly)(() => {
          tidy(receipts.prune, log);
          void emptied(host.files, log);
        });
  // A server has the slow facts before it is asked; a client's process leaves the start to its first answer.
  if (o.role === 'serve') void host.system.health({ waitMs: 0 }).catch(() => {});
  const turnsMs = Math.max(3 * config.sampling.seconds, 30) * 1_000;

  return {
    config,
    log,
    door,
    host,
    state,
    info,
    transfers,
    measures: createMeasures(config.net.measure, policy),
    principals: {
      stdio: () => access.known(stdioPrincipal(uid, config.stdio.role)),
      cli: () => access.known(cliPrincipal(uid, config.cli.role)),
      bearer(secret) {
        const raw = bearerPrincipal(tokens, secret);
        return raw && access.known(raw);
      },
    },
    async auth() {
      const { forged, watch } = security;
      const auth = await openAuth({ config, find: (...s) => bearerPrincipal(tokens, ...s), clock, log, forged });
      const tier = (who: Principal) => access.limits(who).requestsPerMinute;
      return { ...auth, tier, authenticate: watch(withGrants(access, auth.authenticate)) };
    },
    tokens,
    explain: createExplain(policy, config.approvals.rules),
    seen: seen.of,
    deciding: approving.deciding,
    links: approving.links,
    channels: approving.channels,
    receipts: (principal) => receiptsFor(principal, policy),
    lease: leases.tryLease,
    live: () => clock.elapsed() - sampler.lastTurn() < turnsMs,
    ready() {
      const reasons = [db.degraded(), tokens.problem()?.message].filter((r) => typeof r === 'string');
      return { ready: reasons.length === 0, reasons };
    },
    storeTrouble: () => db.degraded(),
    async close() {
      stopTidying?.();
      const left = await underWay.stop(STOP_MS);
      if (left > 0)
        log.error({ left }, 'stopped in the middle of a change: its intent is on record, its outcome is not');
      await approving.close();
      await sampler[Symbol.asyncDispose]();
      await indexing.close();
      policy.refusals.close();
      security.close();
      if (o.role !== 'cli') audit.append('stop', { role: o.role });
      audit.close();
      // The last head goes with the process, if it goes at all.
      await syslog?.settled(SYSLOG_MS);
      db.close();
      host.close();
    },
  };
}
