/**
 * What a call is about, as one word: `container:web`, `unit:nginx.service`, `file:/var/log/x`, `journal:`, `process:4711`,
 * `https://…`, `host:port`. One grammar for logs, diagnosis and receipts. Decides what is well formed and what was probably meant;
 * whether it exists, who may see it and which kinds a tool serves is left to others.
 */
import { CONTAINER_REF } from './docker_refs.ts';
import { OpsError } from './errors.ts';
import { nearest } from './nearest.ts';
import { isUnitName } from './unit_refs.ts';

export const SOURCE_KINDS = ['container', 'unit', 'file', 'journal', 'process', 'url', 'address'] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

export interface Source {
  kind: SourceKind;
  /** Without its kind, as its owner spells it: a container, a unit with its suffix, a path, a pid, a URL. */
  name: string;
  /** Of a container: the configured engine that has it, null when none is named. */
  engine: string | null;
  /** The same in one spelling: equal sources have equal texts. */
  text: string;
}

export const LONGEST_SOURCE = 1_024;
const ENGINE = /^[a-z0-9][a-z0-9_.-]{0,63}$/i;
const IDENTIFIER = /^[\w.@-]{0,128}$/;
const MOST_PID = 4_194_304;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}(?:%[\w.-]{1,32})?\])$/;
/** What people write for the kinds there are. */
const ALSO: Record<string, SourceKind> = {
  docker: 'container',
  podman: 'container',
  service: 'unit',
  systemd: 'unit',
  path: 'file',
  log: 'file',
  journald: 'journal',
  pid: 'process',
};

/** Throws `validation` with what was probably meant. */
export function parseSource(text: string): Source {
  if (text.length > LONGEST_SOURCE || /[\0-\x1f\x7f]/.test(text))
    throw wrong(text, 'it is too long or holds control characters', []);
  if (/^https?:\/\//i.test(text)) return url(text);
  const colon = text.indexOf(':');
  const word = colon < 0 ? '' : text.slice(0, colon);
  if (word === 'url' || word === 'address' || !(SOURCE_KINDS as readonly string[]).includes(word)) return other(text);
  const name = text.slice(colon + 1);
  const of = (part: Partial<Source> & { name: string }): Source => {
    const kind = word as SourceKind;
    return { kind, engine: null, text: `${kind}:${part.engine ? `${part.engine}/` : ''}${part.name}`, ...part };
  };
  switch (word as Exclude<SourceKind, 'url' | 'address'>) {
    case 'container': {
      const slash = name.indexOf('/');
      const engine = slash < 0 ? null : name.slice(0, slash);
      // The engine itself shows names with a slash in front.
      const ref = name.slice(slash + 1);
      if (engine === '' && CONTAINER_REF.test(ref)) return of({ name: ref });
      if (!CONTAINER_REF.test(ref) || (engine !== null && !ENGINE.test(engine)))
        throw wrong(text, 'a container is a name or an id, with its engine in front where there are several', [], {
          hint: 'Write container:NAME or container:ENGINE/NAME, as container_list shows them.',
        });
      return of({ name: ref, engine });
    }
    case 'unit': {
      const unit = isUnitName(name) ? name : `${name}.service`;
      if (!isUnitName(unit)) throw wrong(text, 'that is no name of a unit', []);
      return of({ name: unit });
    }
    case 'file': {
      if (!name.startsWith('/') || name.split('/').includes('..'))
        throw wrong(text, 'a file is named by its absolute path, without `..`', []);
      return of({ name });
    }
    case 'journal': {
      if (!IDENTIFIER.test(name)) throw wrong(text, 'behind `journal:` stands nothing, or a syslog identifier', []);
      return of({ name });
    }
    case 'process': {
      if (!/^[1-9]\d{0,6}$/.test(name) || Number(name) > MOST_PID) throw wrong(text, 'a process is its pid', []);
      return of({ name });
    }
  }
}

/** Parsed, each once, in the order given. */
export function parseSources(texts: readonly string[]): Source[] {
  const found = new Map<string, Source>();
  for (const text of texts) {
    const source = parseSource(text);
    if (!found.has(source.text)) found.set(source.text, source);
  }
  return [...found.values()];
}

/** For rights and targets, which are asked before anyone may complain: what is not well formed has no kind. */
export function wellFormed(texts: readonly string[]): Source[] {
  return texts.flatMap((text) => {
    try {
      return [parseSource(text)];
    } catch {
      return [];
    }
  });
}

function url(text: string): Source {
  const at = URL.parse(text);
  // A password in a URL would stand in every record of the call.
  if (at?.username !== '' || at.password !== '') throw wrong(text, 'that is no URL, or one with a password', []);
  return { kind: 'url', name: at.href, engine: null, text: at.href };
}

function other(text: string): Source {
  const colon = text.lastIndexOf(':');
  const [host, port] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
  if (colon > 0 && HOST.test(host) && /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)
    return { kind: 'address', name: text, engine: null, text };
  throw wrong(text, 'it has none of the kinds there are', meant(text));
}

/** A bare name may be a container or a unit, a path is a file, and a kind may be mistyped. */
function meant(text: string): string[] {
  if (text.startsWith('/')) return well([`file:${text}`]);
  const colon = text.indexOf(':');
  if (colon < 0) return text === 'journal' ? ['journal:'] : well([`container:${text}`, `unit:${text}`]);
  const kind = text.slice(0, colon).toLowerCase();
  const kinds = ALSO[kind] ? [ALSO[kind]] : nearest(kind, SOURCE_KINDS, 2);
  return well(kinds.map((k) => `${k}:${text.slice(colon + 1)}`));
}

const well = (texts: string[]): string[] => wellFormed(texts).map((s) => s.text);

function wrong(text: string, why: string, candidates: string[], also: { hint?: string } = {}): OpsError {
  return new OpsError('validation', `${JSON.stringify(text.slice(0, 80))} names nothing: ${why}.`, {
    hint: 'Write container:NAME, unit:NAME.service, file:/PATH, journal:, process:PID, https://… or host:port.',
    ...also,
    ...(candidates.length > 0 ? { candidates } : {}),
  });
}
