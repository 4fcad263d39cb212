/**
 * What an item of `allow` and `deny` fits: patterns of the owner against a tool and against what a call is about. Decides how a target
 * is brought into one form, and that what cannot be judged fits every deny and no allow. Which lists count is access.ts's. Pure.
 */
import { imageParts } from '../core/docker_refs.ts';
import { holdsIp, type Ip, ipText, parseIp, parsePrefix } from '../core/ip.ts';
import { wrapped } from '../core/ip_wrapped.ts';
import { like } from '../core/like.ts';
import { pathLike, plainPath } from '../core/path_like.ts';
import type { Target, TargetKind, Tool } from '../core/tool.ts';
import { isUnitName } from '../core/unit_refs.ts';

export type Kind = TargetKind | 'tool';
export type Named = Pick<Tool, 'name' | 'toolset' | 'core'>;

/** One item, made ready once. */
export interface Item {
  kind: Kind;
  /** Where it stands in its list. */
  at: number;
  tool?(tool: Named): boolean;
  target?(is: Judged, by: By): boolean;
  /** Behind the kind, as the owner wrote it; and in the form that is compared, for who walks a tree. */
  written: string;
  pattern: string;
}
export type By = 'allow' | 'deny';

/** A target in one form; `forms` empty: it cannot be judged. */
export interface Judged {
  kind: TargetKind;
  /** What stands for all of its kind. */
  all: boolean;
  forms: readonly string[];
  /** Of a container: its engine, where one is named. */
  engine?: string | undefined;
  /** Of an image with tag and digest: the form that a deny sees besides. */
  tagged?: string | undefined;
  /** Of a literal address: it, and what it wraps. */
  ips?: readonly Ip[] | undefined;
}

export function itemOf(text: string, at: number): Item {
  const colon = text.indexOf(':');
  const word = text.slice(0, colon);
  const pattern = text.slice(colon + 1);
  const item = (kind: Kind, rest: Partial<Item> = {}): Item => ({ kind, at, written: pattern, pattern, ...rest });
  switch (word) {
    case 'toolset':
      return item('tool', { tool: (t) => like(pattern, t.toolset) || (pattern === 'core' && t.core) });
    case 'tool':
      return item('tool', { tool: (t) => like(pattern, t.name) });
    default: {
      const kind = word as TargetKind;
      const fits = FITS[kind](pattern);
      return item(kind, {
        pattern: fits.pattern ?? pattern,
        target(is, by) {
          if (is.all) return by === 'deny' || /^\*+$/.test(pattern);
          if (is.forms.length === 0) return by === 'deny';
          return fits.one(is, by);
        },
      });
    }
  }
}

type Fit = { one(is: Judged, by: By): boolean; pattern?: string };
const some = (pattern: string) => (is: Judged) => is.forms.some((form) => like(pattern, form));

const FITS: Record<TargetKind, (pattern: string) => Fit> = {
  container(pattern) {
    const slash = pattern.indexOf('/');
    const name = some(pattern.slice(slash + 1));
    if (slash < 0) return { one: name };
    const engine = pattern.slice(0, slash);
    return {
      one: (is, by) => name(is) && (is.engine === undefined ? by === 'deny' : like(engine, is.engine)),
    };
  },
  image(written) {
    const pattern = shortImage(written);
    const fits = some(pattern);
    return {
      pattern,
      one: (is, by) => fits(is) || (by === 'deny' && is.tagged !== undefined && like(pattern, is.tagged)),
    };
  },
  stack: (pattern) => ({ one: some(pattern) }),
  process: (pattern) => ({ one: some(pattern) }),
  unit(written) {
    const pattern = written.includes('*') ? written : unitName(written);
    return { pattern, one: some(pattern) };
  },
  path(written) {
    const pattern = pathPattern(written);
    return { pattern, one: (is) => is.forms.some((path) => pathLike(pattern, path)) };
  },
  address(written) {
    const network = parsePrefix(written);
    const pattern = written.toLowerCase().replace(/(?<=[^.])\.$/, '');
    if (!network) return { pattern, one: some(pattern) };
    return {
      one: (is, by) => {
        const { ips = [] } = is;
        // To wrap an allowed address does not make one of it.
        return (by === 'deny' ? ips : ips.slice(0, 1)).some((ip) => holdsIp(network, ip));
      },
    };
  },
};

const unitName = (text: string): string => (isUnitName(text) ? text : `${text}.service`);
/** `/srv/` is `/srv`; a pattern is no path, so nothing else of it is touched. */
export const pathPattern = (written: string): string => (/[^/]/.test(written) ? written.replace(/\/+$/, '') : '/');

/** As people write it, without the registry that everybody means. */
function shortImage(text: string): string {
  const short = text.replace(/^(?:index\.)?docker\.io\//, '');
  return /^library\/[^/]*$/.test(short) ? short.slice('library/'.length) : short;
}

export function judgedOf({ kind, name, engine }: Target): Judged {
  if (name === '*') return { kind, all: true, forms: [] };
  const of = (forms: readonly (string | null)[], rest: Partial<Judged> = {}): Judged => ({
    kind,
    all: false,
    forms: forms.filter((form) => form !== null),
    ...rest,
  });
  switch (kind) {
    case 'container': {
      const slash = name.lastIndexOf('/');
      return of([name.slice(slash + 1)], { engine: slash < 0 ? engine : name.slice(0, slash) });
    }
    case 'image':
      return imageForms(name, of);
    case 'process': {
      const colon = name.lastIndexOf(':');
      return of(colon < 0 ? [name] : [name, name.slice(0, colon)]);
    }
    case 'unit':
      return of([unitName(name)]);
    case 'path':
      return of([plainPath(name)]);
    case 'address':
      return addressForms(name, of);
    default:
      return of([name]);
  }
}

type Of = (forms: readonly (string | null)[], rest?: Partial<Judged>) => Judged;

function imageForms(name: string, of: Of): Judged {
  const parts = imageParts(name);
  if (!parts) return of([]);
  const repository = shortImage(parts.repository);
  // An id is no name, and has no tag.
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(name)) return of([repository]);
  const tagged = parts.tag === null ? undefined : `${repository}:${parts.tag}`;
  if (parts.digest === null) return of([repository, tagged ?? `${repository}:latest`]);
  return of([repository, `${repository}@${parts.digest}`], { tagged });
}

/** Of `https://host:port/path`, `host:port`, `[v6]:port`, an address or a name: the host, as a connection would take it. */
export function addressForms(text: string, of: Of): Judged {
  if (/^peer:[a-z0-9_-]+$/.test(text)) return of([text]);
  const host = text.includes('://') ? (URL.parse(text)?.hostname ?? null) : hostOf(text);
  if (host === null || host === '') return of([]);
  const bare = host.replace(/^\[|\]$/g, '').replace(/(?<=[^.])\.$/, '');
  const ip = parseIp(bare);
  return ip ? of([ipText(ip)], { ips: [ip, ...wrapped(ip)] }) : of([bare]);
}

/** The rules of URLs for hosts are those of connections: lower case, other alphabets, `0x7f.1`. */
function hostOf(text: string): string | null {
  if (/[/?#@\\\s]/.test(text)) return null;
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1];
  const v6 = bracketed ?? (parseIp(text)?.family === 6 ? text : null);
  if (v6 !== null) return URL.parse(`http://[${v6.replace(/%.*$/, '')}]`)?.hostname ?? null;
  return URL.parse(`http://${text.replace(/:\d{1,5}$/, '')}`)?.hostname ?? null;
}
