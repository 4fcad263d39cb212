/**
 * What the tools of units share: how a unit is named in arguments, the very unit that was meant, its own last words, and values of unit
 * files that are not shown. Decides that a name without a suffix is a service, and what an unknown one was probably meant to be.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { Reading } from '../core/host.ts';
import type { JournalLine } from '../core/journal.ts';
import { once } from '../core/schema.ts';
import type { Unit } from '../core/services.ts';
import { clip } from '../core/text.ts';
import { isTemplate, isUnitName, unitType } from '../core/unit_refs.ts';
import { type Clean, nearNames } from '../insight/log_match.ts';
import { shownVariable } from './docker_parts.ts';
import { cleaner } from './log_query.ts';

/** As systemctl takes it: a name without a suffix is a service. */
export const spelled = (unit: string): string => (isUnitName(unit) ? unit : `${unit}.service`);

export const UnitInput = once(() =>
  z
    .string()
    .max(255)
    .refine((text) => isUnitName(spelled(text)), 'expected a unit such as nginx.service')
    .describe('e.g. nginx.service'),
);

export const unitTarget = (unit: string) => ({ kind: 'unit' as const, name: spelled(unit) });

type Ctx = Pick<ToolContext, 'host' | 'signal'>;

/** Throws where there is no systemd, with what works instead. */
export function systemdHere({ host }: Ctx): void {
  const there = host.services.available();
  if (there.value === null) throw new OpsError('unavailable', there.why);
}

const MOST_CANDIDATES = 5;

/** One that was removed while it still runs is there, too. */
export async function unitNamed(unit: string, ctx: Ctx): Promise<Unit> {
  systemdHere(ctx);
  const { services } = ctx.host;
  const name = spelled(unit);
  if (isTemplate(name)) throw await instances(name, ctx);
  const [is] = await services.show([name], { signal: ctx.signal });
  if (is && (is.load !== 'not-found' || !gone(is))) return is;
  const { units } = await services.list({ signal: ctx.signal });
  const names = units.filter((u) => !u.template && u.load !== 'not-found').map((u) => u.name);
  // Without what all of a type share, which would make them near to each other.
  const stems = new Map(names.filter((n) => unitType(n) === unitType(name)).map((n) => [stem(n), n]));
  const candidates = nearNames(stem(name), [...stems.keys()], MOST_CANDIDATES).map((s) => stems.get(s) ?? s);
  throw new OpsError('not_found', `systemd knows no unit ${name}.`, {
    hint:
      candidates.length > 0
        ? 'Take one of the candidates.'
        : 'service_list {"state":"all"} shows those that are there.',
    ...(candidates.length > 0 ? { candidates } : {}),
  });
}

const stem = (unit: string): string => unit.slice(0, unit.lastIndexOf('.'));

const gone = (u: Unit): boolean => u.active === 'inactive' || u.active === 'unknown';

async function instances(template: string, ctx: Ctx): Promise<OpsError> {
  const { units } = await ctx.host.services.list({ signal: ctx.signal });
  const begins = template.slice(0, template.indexOf('@') + 1);
  const candidates = units.filter((u) => !u.template && u.name.startsWith(begins)).map((u) => u.name);
  return new OpsError('validation', `${template} is a template: only its instances run.`, {
    hint:
      candidates.length > 0
        ? 'Take one of the candidates.'
        : `Name one, for example ${template.replace('@.', '@NAME.')}.`,
    ...(candidates.length > 0 ? { candidates: candidates.slice(0, MOST_CANDIDATES) } : {}),
  });
}

export interface Words {
  atMs: number;
  /** What its manager said about it, not it itself. */
  manager: boolean;
  text: string;
}

const LINE_BYTES = 8 * 1024;
const LINE_CHARS = 300;

/** Its last lines. What systemd says about it is left out where it spoke itself. Clean of secrets before they are shortened. */
export async function lastWords(
  unit: string,
  o: { lines: number; sinceMs?: number },
  ctx: ToolContext,
): Promise<Reading<Words[]>> {
  const all = await wordsOf(unit, o, ctx);
  if (all.value === null) return all;
  const own = all.value.filter((w) => !w.manager);
  return { value: (own.length > 0 ? own : all.value).slice(-o.lines) };
}

/** The same, with what systemd says about it. */
export async function wordsOf(
  unit: string,
  o: { lines: number; sinceMs?: number },
  ctx: ToolContext,
): Promise<Reading<Words[]>> {
  const { host, signal } = ctx;
  const clean = cleaner(ctx);
  const { journal } = host;
  const there = journal.available();
  if (there.value === null) return { value: null, why: there.why };
  const found: Words[] = [];
  try {
    const lines = journal.read({
      units: [unit],
      // systemd adds a few lines of its own to each end of a unit.
      tail: o.lines + 12,
      ...(o.sinceMs === undefined ? {} : { sinceMs: o.sinceMs }),
      maxBytes: 256 * 1024,
      maxLineBytes: LINE_BYTES,
      signal,
    });
    for await (const line of lines) found.push(words(line, clean));
  } catch (thrown) {
    signal.throwIfAborted();
    return { value: null, why: toOpsError(thrown).message };
  }
  return { value: found.filter((w) => w.text !== '') };
}

/** systemd, or what it starts in the unit's place until its program runs: `(nginx)`. */
export const isManager = ({ identifier, pid }: Pick<JournalLine, 'identifier' | 'pid'>): boolean =>
  (identifier === 'systemd' && pid === 1) || /^\(.*\)$/.test(identifier ?? '');

const words = (line: JournalLine, clean: Clean): Words => ({
  atMs: line.atMs,
  manager: isManager(line),
  text: clip(clean(line.text.trim()), LINE_CHARS),
});

const ENV = /^(\s*(?:Environment|PassEnvironment)\s*=)(.*)$/;
const CREDENTIAL = /^(\s*SetCredential(?:Encrypted)?\s*=\s*[^:\s]*:?)(.*)$/;

/** Of a unit file: what stands in the environment only where its name is harmless, as container tools do it. */
export function shownUnitFile(text: string): string {
  const out: string[] = [];
  let env = false;
  let secret = false;
  for (const line of text.split('\n')) {
    const goes = line.endsWith('\\');
    const body = goes ? line.slice(0, -1) : line;
    const start = env || secret ? null : (ENV.exec(body) ?? CREDENTIAL.exec(body));
    if (start && CREDENTIAL.test(body)) {
      out.push(`${start[1]}⟦redacted:credential⟧`);
      secret = goes;
      continue;
    }
    if (secret) {
      secret = goes;
      continue;
    }
    if (start || env) {
      out.push(`${start?.[1] ?? ''}${assignments(start?.[2] ?? body)}${goes ? '\\' : ''}`);
      env = goes;
      continue;
    }
    out.push(line.replaceAll('⟦', '[').replaceAll('⟧', ']'));
  }
  return out.join('\n');
}

/** `A=1 "B=two words"`: each is shown, or only its name. */
function assignments(text: string): string {
  return text.replace(/"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|\S+/g, (whole, double?: string, single?: string) => {
    const inner = double ?? single;
    return inner === undefined ? shownVariable(whole) : `"${shownVariable(inner)}"`;
  });
}
