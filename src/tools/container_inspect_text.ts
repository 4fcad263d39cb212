/** One container in lines: our own words above, what others wrote below, so that one fence holds it. */
import { clipped } from '../core/table.ts';
import { bytes, duration, percent } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import type { ContainerInspectAnswer } from './container_inspect.ts';
import { byReason, known, perSecond } from './overview_text.ts';

/** Entries of a list, and characters of one, that the text shows; the structured answer has them all. */
const SHOWN = { mounts: 12, networks: 6, labels: 8, env: 12, events: 6 };
const LONG = 120;

export function containerInspectText(o: ContainerInspectAnswer, view: View): string {
  const label = (word: string) => view.paint('dim', word.padEnd(9));
  const tone = o.attention === null ? 'good' : o.attention === 'starting' || o.attention === 'paused' ? 'warn' : 'bad';
  const since = o.sinceSeconds === null ? '' : ` for ${duration(o.sinceSeconds * 1_000)}`;
  const health = o.health === null ? '' : `, ${o.health}`;
  const loop = o.attention === 'restart_loop' ? ', in a restart loop' : '';
  const ours = [
    `${view.paint(tone, `${o.state}${health}${loop}`)}${since}; ${o.restarts} ${o.restarts === 1 ? 'restart' : 'restarts'} (policy ${o.restartPolicy}); created ${o.createdAt}`,
  ];
  if (o.exit) {
    const signal = o.exit.signal === null ? '' : `, ${o.exit.signal}`;
    ours.push(
      `${label('ended')}${o.exit.at === null ? '' : `${o.exit.at}, `}${o.exit.code === null ? 'never ran' : `exit ${o.exit.code}`}${signal}: ${o.exit.reason}`,
    );
  }
  if (o.healthcheck && o.health === 'unhealthy')
    ours.push(
      `${label('health')}${known(o.healthcheck.failingStreak, String)} checks in a row failed (${o.healthcheck.retries} allowed)`,
    );
  if (o.stats) ours.push(label('uses') + uses(o));
  ours.push(label('limits') + limits(o));
  if (o.reach.length > 0) ours.push(`${view.paint('warn', 'reach'.padEnd(9))}${o.reach.join('; ')}`);
  if (o.ports.length > 0) ours.push(label('ports') + o.ports.join(' '));
  if (o.unknown.length > 0) ours.push(`unknown: ${byReason(o.unknown)}`);
  if (o.next) ours.push(`next: ${o.next}`);

  const theirs = [`${label('name')}${o.name} (${o.id})`, `${label('image')}${o.image} (${o.imageId})`];
  if (o.project !== null)
    theirs.push(
      `${label('stack')}${o.project}, service ${o.service ?? '?'}${o.files.length > 0 ? `: ${o.files.join(', ')}` : ''}`,
    );
  if (o.error !== null) theirs.push(label('error') + line(o.error, 400));
  if (o.command !== '') theirs.push(label('command') + line(o.command, 300));
  const as = [o.user === '' ? '' : `user ${o.user}`, o.workingDir === '' ? '' : `in ${o.workingDir}`].filter(
    (s) => s !== '',
  );
  if (as.length > 0) theirs.push(label('runs') + as.join(' '));
  if (o.healthcheck) {
    const every = o.healthcheck.intervalSeconds === null ? '' : ` (every ${o.healthcheck.intervalSeconds} s)`;
    theirs.push(label('check') + line(o.healthcheck.command, 200) + every);
    for (const h of o.healthLog.slice(0, o.health === 'healthy' ? 0 : 2))
      theirs.push(`${label('')}${h.at} exit ${h.exitCode}: ${line(h.output, 200)}`);
  }
  const some = (word: string, all: readonly string[], most: number, sep = '; ') => {
    if (all.length === 0) return;
    const rest = all.length > most ? ` ⟦${all.length - most} left out⟧` : '';
    theirs.push(
      label(word) +
        all
          .slice(0, most)
          .map((s) => line(s, LONG))
          .join(sep) +
        rest,
    );
  };
  some(
    'mounts',
    o.mounts.map((m) => `${m.source || m.type} → ${m.destination}${m.writable ? '' : ' ro'}`),
    SHOWN.mounts,
  );
  some(
    'networks',
    o.networks.map((n) => `${n.name} ${n.ip ?? '-'}${n.aliases.length > 0 ? ` (${n.aliases.join(', ')})` : ''}`),
    SHOWN.networks,
  );
  // One mark for all that are hidden: each alone would cost more than its name.
  const hidden = o.env.filter((e) => e.includes('=⟦redacted:env⟧'));
  const plainPath = /PATH=\/usr\/local\/sbin:\/usr\/local\/bin:/;
  some(
    'env',
    o.env.filter((e) => !hidden.includes(e) && !plainPath.test(e)),
    SHOWN.env,
    ' ',
  );
  some(
    '',
    hidden.map((e) => e.replace('=⟦redacted:env⟧', '')),
    40,
    ' ',
  );
  if (hidden.length > 0) theirs[theirs.length - 1] += ' (values ⟦redacted:env⟧)';
  some('labels', o.labels, SHOWN.labels);
  some(
    'events',
    o.events.map((e) => `${e.at} ${e.what}`),
    SHOWN.events,
  );
  return [...ours, ...theirs].join('\n');
}

function uses({ stats: s, limits: l }: ContainerInspectAnswer): string {
  if (!s) return '';
  const ofLimit = s.cpuOfLimitPercent === null ? '' : ` (${percent(s.cpuOfLimitPercent)} of its limit)`;
  const throttled = s.throttledPercent ? `, throttled in ${percent(s.throttledPercent)} of periods` : '';
  const of = l.memoryBytes === null ? 'the machine' : bytes(l.memoryBytes);
  const parts = [
    `cpu ${percent(s.cpuPercent)} of a core${ofLimit}${throttled}`,
    `memory ${known(s.memoryBytes, bytes)}, ${percent(s.memoryPercent)} of ${of}`,
    `${known(s.pids, String)} ${s.pids === 1 ? 'pid' : 'pids'}`,
  ];
  if (s.rxBytesPerSecond !== null || s.txBytesPerSecond !== null)
    parts.push(`net in ${perSecond(s.rxBytesPerSecond)} out ${perSecond(s.txBytesPerSecond)}`);
  if (s.readBytesPerSecond !== null || s.writtenBytesPerSecond !== null)
    parts.push(`disk read ${perSecond(s.readBytesPerSecond)} written ${perSecond(s.writtenBytesPerSecond)}`);
  return `${parts.join('; ')} (over ${duration(s.windowMs)})`;
}

function limits({ limits: l, logDriver, writtenBytes }: ContainerInspectAnswer): string {
  const set = [
    l.memoryBytes === null ? null : `memory ${bytes(l.memoryBytes)}`,
    l.cpus === null ? null : `${l.cpus} cpus`,
    l.cpuset === null ? null : `on cpus ${l.cpuset}`,
    l.pids === null ? null : `${l.pids} pids`,
  ].filter((s) => s !== null);
  const size = writtenBytes === null ? '' : `; own layer ${bytes(writtenBytes)}`;
  return `${set.length > 0 ? set.join(', ') : 'none'}; log driver ${logDriver}${size}`;
}

const line = (text: string, max: number): string => clipped(text.replace(/\s*\n\s*/g, ' ↵ '), max);
