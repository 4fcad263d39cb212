/**
 * What a log tool can read, one line for each kind of source: the scopes it needs beside logs:read, what it is as a target, and who opens
 * it. Decides what one source's failure means for the others; how each is opened is in log_<kind>.ts.
 */
import type { ToolContext } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { Scope } from '../core/scopes.ts';
import { parseSources, type Source, type SourceKind, wellFormed } from '../core/source.ts';
import type { Target } from '../core/tool.ts';
import { openContainer } from './log_container.ts';
import { openFile } from './log_file.ts';
import { openJournal, openUnit } from './log_journal.ts';
import type { LogReader } from './log_read.ts';

interface Kind {
  /** As the hint writes it. */
  write: string;
  scopes: Scope[];
  target(source: Source): Target | null;
  open(ctx: ToolContext, source: Source): Promise<LogReader>;
}

const KINDS: Partial<Record<SourceKind, Kind>> = {
  // Every unit's lines are in it, also those of one identifier: any program may call itself so.
  journal: { write: 'journal:', scopes: [], target: () => ({ kind: 'unit', name: '*' }), open: openJournal },
  unit: {
    write: 'unit:NAME.service',
    scopes: ['services:read'],
    target: (s) => ({ kind: 'unit', name: s.name }),
    open: openUnit,
  },
  container: {
    write: 'container:NAME',
    scopes: ['docker:read'],
    target: (s) => ({ kind: 'container', name: s.engine ? `${s.engine}/${s.name}` : s.name }),
    open: (ctx, s) => openContainer(ctx.host.docker, s, ctx.signal),
  },
  file: {
    write: 'file:/PATH',
    scopes: ['files:read'],
    target: (s) => ({ kind: 'path', name: s.name }),
    open: openFile,
  },
};

export const scopesOfSources = (texts: readonly string[]): Scope[] =>
  wellFormed(texts).flatMap((s) => KINDS[s.kind]?.scopes ?? []);

export const targetsOfSources = (texts: readonly string[]): Target[] =>
  wellFormed(texts).flatMap((s) => KINDS[s.kind]?.target(s) ?? []);

/** Each once; throws for what no log tool reads. */
export function sourcesOf(texts: readonly string[], tool: string): Source[] {
  const sources = parseSources(texts);
  const other = sources.find((s) => !KINDS[s.kind]);
  if (other)
    throw new OpsError('validation', `${tool} cannot read ${other.text.slice(0, 80)}.`, {
      hint: `It reads ${Object.values(KINDS)
        .map((k) => k.write)
        .join(', ')}.`,
    });
  return sources;
}

export interface Opened {
  source: Source;
  reader: LogReader | null;
  failed: OpsError | null;
}

/** A name that is wrong fails the call, an engine that is away only its own source. */
export const openAll = (sources: Source[], ctx: ToolContext): Promise<Opened[]> =>
  Promise.all(
    sources.map(async (source): Promise<Opened> => {
      try {
        return { source, reader: (await KINDS[source.kind]?.open(ctx, source)) ?? null, failed: null };
      } catch (thrown) {
        return { source, reader: null, failed: excused(thrown, sources.length, ctx) };
      }
    }),
  );

/** Of several sources one may be away; whatever else goes wrong is the call's. */
export function excused(thrown: unknown, sources: number, ctx: ToolContext): OpsError {
  const own = thrown instanceof OpsError && (thrown.code === 'unavailable' || thrown.code === 'timeout');
  if (sources > 1 && own && !ctx.signal.aborted) return thrown;
  throw thrown;
}
