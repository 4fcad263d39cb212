/**
 * The first answers over stdio, before the SDK, the tools and the store are loaded: a client waits for them at each of its starts, and all
 * they need is known beforehand. It answers only what is exactly as expected, in an order that ordinary clients use; at the first other
 * message it stops for good, and everything it has answered is then said again to the server of the SDK (lines.ts `replay`), whose answers
 * must be the same to the byte. A test holds them to it.
 */
import { isRecord, REVISION } from './behind.ts';
import { capabilitiesOf, identityOf, instructions, LIST_HINT, pagesOf, type ServerFacts } from './introduction.ts';
import type { Prepared, PreparedTool } from './prepared.ts';

/** `answer` is null for a notification. */
export interface Said {
  message: { method: string; id?: string | number };
  answer: string | null;
}

export interface Opening {
  /** What to answer to this line ('' is nothing), or null: this and all after it are for others. */
  hear(line: string): string | null;
  /** All that was answered so far, in order. */
  said: readonly Said[];
  /** The list of tools has been given: the client has what it waited for. */
  listed(): boolean;
}

const LEGACY = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'];
/** A client's opening is five messages or so; who says more is served by the whole. */
const MOST_SAID = 16;
const LONGEST_LINE = 8 * 1024;

export function createOpening(o: { info: ServerFacts; prepared: Prepared; visible: readonly PreparedTool[] }): Opening {
  const { info, prepared } = o;
  const said: Said[] = [];
  let era: 'legacy' | 'modern' | null = null;
  let greeted = false;
  let listed = false;
  let over = false;
  const about = { capabilities: capabilitiesOf(prepared), instructions: instructions(info) };
  const pages = pagesOf(new Set(o.visible.map((t) => t.name)), prepared);

  /** Lists by method, as the inside of a JSON object. */
  const lists: Record<string, () => string> = {
    'tools/list': () => `"tools":[${o.visible.map((t) => t.json).join(',')}]`,
    ...('resources' in about.capabilities
      ? {
          'resources/list': () => `"resources":${JSON.stringify(pages.resources)}`,
          'resources/templates/list': () => `"resourceTemplates":${JSON.stringify(pages.templates)}`,
        }
      : {}),
    ...('prompts' in about.capabilities ? { 'prompts/list': () => `"prompts":${JSON.stringify(pages.prompts)}` } : {}),
  };
  const inside = (record: object) => JSON.stringify(record).slice(1, -1);
  const modernTail = () =>
    inside({
      resultType: 'complete',
      ...LIST_HINT,
      _meta: { 'io.modelcontextprotocol/serverInfo': identityOf(info) },
    });

  function result(method: string, params: Record<string, unknown> | undefined): string | null {
    if (params && isModern(params)) {
      if (era === 'legacy') return null;
      const list = Object.hasOwn(lists, method) ? lists[method]?.() : undefined;
      const body = method === 'server/discover' ? inside({ supportedVersions: [REVISION], ...about }) : list;
      if (!body) return null;
      era = 'modern';
      return `{${body},${modernTail()}}`;
    }
    if (era === 'modern') return null;
    if (method === 'initialize') {
      if (era || !params || !isGreeting(params)) return null;
      era = 'legacy';
      greeted = true;
      const protocolVersion = LEGACY.includes(params.protocolVersion) ? params.protocolVersion : LEGACY[0];
      const { capabilities, instructions: words } = about;
      return JSON.stringify({ protocolVersion, capabilities, serverInfo: identityOf(info), instructions: words });
    }
    // Before the greeting the SDK serves lists, too; no client asks so.
    if (!greeted || !isBare(params)) return null;
    if (method === 'ping') return '{}';
    return Object.hasOwn(lists, method) ? `{${lists[method]?.()}}` : null;
  }

  function hear(line: string): string | null {
    const message = plainMessage(line);
    if (!message || said.length >= MOST_SAID) return null;
    const { id, method, params } = message;
    if (id === undefined) {
      if (method !== 'notifications/initialized' || !greeted || !isBare(params)) return null;
      said.push({ message, answer: null });
      return '';
    }
    const body = result(method, params);
    if (body === null) return null;
    const answer = `{"result":${body},"jsonrpc":"2.0","id":${JSON.stringify(id)}}`;
    said.push({ message, answer });
    listed ||= method === 'tools/list';
    return answer;
  }

  return {
    hear(line) {
      const answer = over ? null : hear(line);
      over ||= answer === null;
      return answer;
    },
    said,
    listed: () => listed,
  };
}

interface Message {
  jsonrpc: '2.0';
  id?: string | number;
  method: string;
  params?: Record<string, unknown>;
}

function plainMessage(line: string): Message | null {
  if (line.length > LONGEST_LINE) return null;
  let m: unknown;
  try {
    m = JSON.parse(line);
  } catch {
    return null;
  }
  if (!isRecord(m) || !only(m, ['jsonrpc', 'id', 'method', 'params']) || m.jsonrpc !== '2.0') return null;
  if (typeof m.method !== 'string' || (m.params !== undefined && !isRecord(m.params))) return null;
  const named = m.id === undefined || typeof m.id === 'string' || Number.isSafeInteger(m.id);
  return named ? (m as unknown as Message) : null;
}

const only = (record: object, names: readonly string[]) => Object.keys(record).every((key) => names.includes(key));
const isText = (value: unknown) => value === undefined || typeof value === 'string';

/** Nothing but a token for progress, which no list makes. */
function isBare(params: Record<string, unknown> | undefined): boolean {
  if (params === undefined) return true;
  if (!only(params, ['_meta'])) return false;
  const { _meta: meta } = params;
  return meta === undefined || (isRecord(meta) && only(meta, ['progressToken']) && isToken(meta.progressToken));
}
const isToken = (value: unknown) => isText(value) || Number.isSafeInteger(value);

function isGreeting(params: Record<string, unknown>): params is { protocolVersion: string } {
  return (
    only(params, ['protocolVersion', 'capabilities', 'clientInfo']) &&
    typeof params.protocolVersion === 'string' &&
    areCapabilities(params.capabilities) &&
    isClient(params.clientInfo)
  );
}

const KEY = 'io.modelcontextprotocol/';

/** The envelope of 2026-07-28, whole and nothing else. */
function isModern(params: Record<string, unknown>): boolean {
  const meta = params._meta;
  if (!isRecord(meta) || !only(params, ['_meta'])) return false;
  const names = ['protocolVersion', 'clientCapabilities', 'clientInfo'].map((name) => KEY + name);
  return (
    only(meta, [...names, 'progressToken']) &&
    meta[`${KEY}protocolVersion`] === REVISION &&
    areCapabilities(meta[`${KEY}clientCapabilities`]) &&
    (meta[`${KEY}clientInfo`] === undefined || isClient(meta[`${KEY}clientInfo`])) &&
    isToken(meta.progressToken)
  );
}

function isClient(value: unknown): boolean {
  if (!isRecord(value) || !only(value, ['name', 'version', 'title', 'description', 'websiteUrl'])) return false;
  const { name, version } = value;
  return typeof name === 'string' && typeof version === 'string' && Object.values(value).every(isText);
}

/** What clients of today declare. A shape that is not known here is for the SDK to judge. */
function areCapabilities(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return Object.entries(value).every(([name, part]) => {
    if (!isRecord(part)) return false;
    if (name === 'roots')
      return only(part, ['listChanged']) && [undefined, true, false].includes(part.listChanged as never);
    if (name === 'sampling') return only(part, ['context', 'tools']) && isEmptyTree(part);
    if (name === 'elicitation') return only(part, ['form', 'url']) && isEmptyTree(part);
    if (name === 'tasks') return only(part, ['list', 'cancel', 'requests']) && isEmptyTree(part);
    if (name === 'extensions' || name === 'experimental') return Object.values(part).every(isShallow);
    return false;
  });
}

/** Objects all the way down, as most capabilities are. */
const isEmptyTree = (value: unknown): boolean => isRecord(value) && Object.values(value).every(isEmptyTree);
/** A record of words, switches and lists of words. */
const isShallow = (value: unknown): boolean =>
  isRecord(value) &&
  Object.values(value).every(
    (v) =>
      typeof v === 'string' || typeof v === 'boolean' || (Array.isArray(v) && v.every((w) => typeof w === 'string')),
  );
