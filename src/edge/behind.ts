/**
 * Which call stands behind a JSON-RPC request: tools/call names it, a resource or a prompt is a call of the tool behind it.
 * Both transports ask here before the SDK sees the message, so that a malformed call is answered in plain words and leaves its
 * record, too: the SDK would refuse it first, and the door would never know. Who may call is the door's to say.
 */
import type { PROTOCOL_VERSION_META_KEY } from '@modelcontextprotocol/server';
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Catalog, PromptDef, ResourceDef } from '../core/tool.ts';
import { isTemplate } from './introduction.ts';

export type Behind =
  | { kind: 'call'; what: string; tool: string; args: unknown; resource?: ResourceDef; prompt?: PromptDef }
  /** Nothing we serve: no such method, resource or prompt, or parameters of the wrong shape. */
  | { kind: 'bad'; what: string; error: OpsError; code: number; uri?: string }
  /** Lists, discovery, the opening of a connection: the SDK's. */
  | { kind: 'other'; what: string };

/** Bounds what a stranger can write into a record. */
const MOST_WHAT = 160;

/** `modern`: it claims to be of 2026-07-28. */
export function behind(method: string, params: unknown, catalog: Catalog, modern = false): Behind {
  const p = isRecord(params) ? params : {};
  // The SDK checks these, too, and answers with a dump of its schema.
  const shape = shapeFault(method, p, modern);
  if (shape) return bad(method.slice(0, MOST_WHAT), ...shape);
  const named = (value: unknown) => `${method} ${String(value)}`.slice(0, MOST_WHAT);
  const methods = methodsOf(catalog, modern);
  switch (methods.includes(method) ? method : '') {
    case 'tools/call': {
      const { name, arguments: args } = p;
      if (typeof name !== 'string')
        return bad(method, '`params.name` must be the name of a tool.', 'Take a name from tools/list.');
      if (args !== undefined && !isRecord(args))
        return bad(named(name), '`params.arguments` must be an object.', 'Send {} when the tool takes no arguments.');
      return { kind: 'call', what: named(name), tool: name, args: args ?? {} };
    }
    case 'resources/read': {
      const { uri } = p;
      if (typeof uri !== 'string')
        return bad(method, '`params.uri` must be the URI of a resource.', 'Take a URI from resources/list.');
      const found = findResource(uri, catalog.resources);
      if (found) return { kind: 'call', what: named(uri), tool: found.def.tool, args: found.args, resource: found.def };
      const uris = catalog.resources.map((r) => r.uri);
      return { ...missing(named(uri), 'resource', uri, uris), uri };
    }
    case 'prompts/get': {
      const { name } = p;
      if (typeof name !== 'string')
        return bad(method, '`params.name` must be the name of a prompt.', 'Take a name from prompts/list.');
      const prompt = catalog.prompts.find((d) => d.name === name);
      if (prompt) return { kind: 'call', what: named(name), tool: prompt.tool, args: prompt.args, prompt };
      return missing(
        named(name),
        'prompt',
        name,
        catalog.prompts.map((d) => d.name),
      );
    }
    default: {
      const what = method.slice(0, MOST_WHAT);
      return methods.includes(method) ? { kind: 'other', what } : missing(what, 'method', method, methods, -32_601);
    }
  }
}

function shapeFault(method: string, p: Record<string, unknown>, modern: boolean): [string, string] | null {
  const { _meta: meta, cursor } = p;
  if (meta !== undefined && !isRecord(meta)) return ['`params._meta` must be an object.', 'Leave it out, or send {}.'];
  const token = meta?.progressToken;
  if (token !== undefined && typeof token !== 'string' && !Number.isSafeInteger(token))
    return ['`_meta.progressToken` must be a string or an integer.', 'Leave it out when no progress is wanted.'];
  if (cursor !== undefined && method.endsWith('/list'))
    return ['No such cursor.', 'Lists have one page here: leave it out.'];
  // 2026-07-28 has no handshake, whole or not: the SDK says so.
  if (method !== 'initialize' || modern) return null;
  const info = p.clientInfo;
  const whole = isRecord(info) && typeof info.name === 'string' && typeof info.version === 'string';
  if (typeof p.protocolVersion === 'string' && isRecord(p.capabilities) && whole) return null;
  return ['`initialize` is incomplete.', 'It needs protocolVersion, capabilities {} and clientInfo {name, version}.'];
}

const lists = new WeakMap<Catalog, { modern: string[]; legacy: string[] }>();
function methodsOf(catalog: Catalog, modern: boolean): string[] {
  let known = lists.get(catalog);
  if (!known) {
    const both = [
      'tools/list',
      'tools/call',
      ...(catalog.resources.length > 0 ? ['resources/list', 'resources/templates/list', 'resources/read'] : []),
      ...(catalog.prompts.length > 0 ? ['prompts/list', 'prompts/get'] : []),
    ];
    known = {
      modern: ['server/discover', 'subscriptions/listen', ...both],
      legacy: ['initialize', 'ping', ...both],
    };
    lists.set(catalog, known);
  }
  return modern ? known.modern : known.legacy;
}

function findResource(
  uri: string,
  defs: readonly ResourceDef[],
): { def: ResourceDef; args: Record<string, unknown> } | null {
  for (const def of defs) {
    if (!isTemplate(def)) {
      if (def.uri === uri) return { def, args: def.args };
      continue;
    }
    const groups = pattern(def).exec(uri)?.groups;
    if (!groups) continue;
    try {
      const named = Object.entries(groups).map(([k, v]) => [k, decodeURIComponent(v)] as const);
      return { def, args: filled(def.args, named) };
    } catch {
      // A stray % in the URI: it names nothing.
    }
  }
  return null;
}

/** `{name}` within the arguments becomes what the URI says there; a name that stands in none of them is an argument itself. */
function filled(args: Record<string, unknown>, named: readonly (readonly [string, string])[]): Record<string, unknown> {
  const used = new Set<string>();
  const fill = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(fill);
    if (typeof value !== 'string') return value;
    // In one pass: what a URI brings is never filled itself.
    return value.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const found = named.find(([k]) => k === name);
      if (!found) return whole;
      used.add(name);
      return found[1];
    });
  };
  const said = Object.fromEntries(Object.entries(args).map(([k, v]) => [k, fill(v)]));
  return { ...said, ...Object.fromEntries(named.filter(([k]) => !used.has(k))) };
}

const patterns = new WeakMap<ResourceDef, RegExp>();
function pattern(def: ResourceDef): RegExp {
  let p = patterns.get(def);
  if (!p) {
    const parts = def.uri.split(/\{(\w+)\}/);
    // One group takes one path segment, so that a value never swallows its neighbours.
    p = new RegExp(`^${parts.map((t, i) => (i % 2 ? `(?<${t}>[^/?#]{1,512})` : literal(t))).join('')}$`);
    patterns.set(def, p);
  }
  return p;
}

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function bad(what: string, message: string, hint: string): Behind {
  return { kind: 'bad', what, error: new OpsError('validation', message, { hint }), code: -32_602 };
}

type Bad = Extract<Behind, { kind: 'bad' }>;

function missing(what: string, kind: string, name: string, names: string[], code = -32_602): Bad {
  const near = nearest(name, names, 5);
  const error = new OpsError('not_found', `No ${kind} ${name.slice(0, 100)}.`, {
    hint: kind === 'method' ? `Methods here: ${names.join(', ')}.` : `Take one from ${kind}s/list.`,
    ...(near.length > 0 ? { candidates: near } : {}),
  });
  return { kind: 'bad', what, error, code };
}

const REQUEST = new Set(['jsonrpc', 'id', 'method', 'params']);
const RESPONSE = new Set(['jsonrpc', 'id', 'result', 'error']);

/** What is wrong with a body or line as a JSON-RPC message; null when nothing is. */
export function faultOf(message: unknown): OpsError | null {
  if (Array.isArray(message))
    return new OpsError('validation', 'JSON-RPC arrays are not served.', { hint: 'Send one message at a time.' });
  const hint = 'Send {"jsonrpc":"2.0","id":1,"method":"tools/list"} or the like.';
  if (!isRecord(message)) return new OpsError('validation', 'A JSON-RPC message is an object.', { hint });
  const { jsonrpc, id, method, params } = message;
  if (jsonrpc !== '2.0') return new OpsError('validation', '`jsonrpc` must be "2.0".', { hint });
  if (id !== undefined && typeof id !== 'string' && !Number.isSafeInteger(id))
    return new OpsError('validation', '`id` must be a string or an integer.', { hint });
  // The SDK drops such a message without a word, and its sender would wait for ever.
  const known = typeof method === 'string' ? REQUEST : RESPONSE;
  const extra = Object.keys(message).find((key) => !known.has(key));
  if (extra !== undefined)
    return new OpsError('validation', `A JSON-RPC message has no member ${JSON.stringify(extra.slice(0, 40))}.`, {
      hint: 'Send arguments in `params.arguments`, and what is said about a request in `params._meta`.',
    });
  if (typeof method === 'string')
    return params === undefined || isRecord(params)
      ? null
      : new OpsError('validation', '`params` must be an object.', { hint });
  if (method === undefined && id !== undefined && (isRecord(message.result) || isRecord(message.error))) return null;
  return new OpsError('validation', '`method` must be a string.', { hint });
}

export const REVISION = '2026-07-28';
/** By its type the SDK's own word; its value would load the SDK before the first line over stdio is answered. */
const REVISION_KEY: typeof PROTOCOL_VERSION_META_KEY = 'io.modelcontextprotocol/protocolVersion';

/** Which revision a message claims to be of. Undefined: none, as those of 2025. */
export const claimed = (params: unknown): unknown =>
  isRecord(params) && isRecord(params._meta) ? params._meta[REVISION_KEY] : undefined;

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
