/**
 * The journal as something a log tool can read: all of it, one identifier's, the kernel's, of one boot, or a unit's with what systemd said
 * of it. Decides how a name is taken and what each line says of its writer; how the journal is read is the host's.
 */
import type { ToolContext } from '../core/call.ts';
import type { LogEnd } from '../core/docker.ts';
import { OpsError } from '../core/errors.ts';
import type { JournalLine, JournalWindow } from '../core/journal.ts';
import type { Source } from '../core/source.ts';
import { isTemplate } from '../core/unit_refs.ts';
import { SYSLOG_LEVELS } from '../insight/log_level.ts';
import { nearNames } from '../insight/log_match.ts';
import type { LogReader, ReadLine, ReadWindow } from './log_read.ts';

const MOST_CANDIDATES = 5;
/** `sshd`, `kernel@-1`, `@0`: whose, and of which boot, counted back from this one. */
const NAME = /^(.*?)(?:@(0|-[1-9]\d{0,2}))?$/;

type Which = Pick<JournalWindow, 'units' | 'identifiers' | 'kernel' | 'boot'>;

export async function openJournal(ctx: ToolContext, source: Source): Promise<LogReader> {
  const [, who = '', boot] = NAME.exec(source.name) ?? [];
  const which: Which = {
    ...(who === '' ? {} : who === 'kernel' ? { kernel: true } : { identifiers: [who] }),
    ...(boot === undefined ? {} : { boot: Number(boot) }),
  };
  return readerOf(ctx, source, which, null, (line) => (who === '' ? line.identifier : null));
}

export async function openUnit(ctx: ToolContext, source: Source): Promise<LogReader> {
  if (isTemplate(source.name))
    throw new OpsError('validation', `${source.name} is a template: only its instances write logs.`, {
      hint: `Name one, for example unit:${source.name.replace('@.', '@NAME.')}.`,
    });
  const { services } = ctx.host;
  // The journal alone can answer: what systemd knows of the unit only helps.
  const asked = services.available().value === null ? null : await services.show([source.name], ctx).catch(() => null);
  const unit = asked?.[0] ?? null;
  const reader = readerOf(ctx, source, { units: [source.name] }, unit?.startedAtMs.value ?? null, (line) =>
    line.pid === 1 ? line.identifier : null,
  );
  if (unit?.load === 'not-found' && !(await hasLines(ctx, source.name))) throw await noSuch(ctx, source);
  return reader;
}

function readerOf(
  ctx: ToolContext,
  source: Source,
  which: Which,
  startedAtMs: number | null,
  by: (line: JournalLine) => string | null,
): LogReader {
  const there = ctx.host.journal.available();
  if (there.value === null)
    throw new OpsError('unavailable', `${source.text} cannot be read. ${there.why}`, {
      hint: 'log_query also reads container:NAME and file:/PATH.',
    });
  const booted = ctx.host.system.identity().bootedAtMs.value;
  return {
    source,
    startedAtMs,
    tailBefore: true,
    ...(there.value.volatile && booted !== null
      ? { begins: { atMs: booted, why: 'The journal is kept in memory only: what was before this boot is gone.' } }
      : {}),
    async *read(window: ReadWindow): AsyncGenerator<ReadLine, LogEnd, undefined> {
      const stream = ctx.host.journal.read({ ...which, ...window });
      try {
        for (;;) {
          const step = await stream.next();
          if (step.done) return step.value;
          yield lineOf(step.value, by(step.value));
        }
      } finally {
        await stream.return({ bytesRead: 0, lines: 0, stopped: true });
      }
    },
  };
}

const LONGEST_NAME = 64;

function lineOf(line: JournalLine, by: string | null): ReadLine {
  const { stream, atMs, nanos, text, cut } = line;
  const read: ReadLine = { stream, atMs, nanos, text, cut, whole: true, writer: `${line.pid} ${line.identifier}` };
  if (by !== null) read.by = by.slice(0, LONGEST_NAME);
  const level = line.priority === null ? undefined : SYSLOG_LEVELS[line.priority];
  if (level !== undefined) read.level = level;
  return read;
}

/** A unit that is gone from the disk may have left lines. */
async function hasLines({ host, signal }: ToolContext, unit: string): Promise<boolean> {
  const stream = host.journal.read({ units: [unit], tail: 1, maxBytes: 65_536, maxLineBytes: 16, signal });
  const { done } = await stream.next();
  await stream.return({ bytesRead: 0, lines: 0, stopped: true });
  return done !== true;
}

async function noSuch({ host, signal }: ToolContext, source: Source): Promise<OpsError> {
  const list = await host.services.list({ signal }).catch(() => null);
  const names = list?.units.filter((u) => !u.template).map((u) => u.name) ?? [];
  const candidates = nearNames(source.name, names, MOST_CANDIDATES).map((n) => `unit:${n}`);
  return new OpsError('not_found', `There is no unit ${source.name}, and the journal has nothing of it.`, {
    hint: candidates.length > 0 ? 'Take one of the candidates.' : 'service_list shows the units that are there.',
    ...(candidates.length > 0 ? { candidates } : {}),
  });
}
