/**
 * A file whole. Small ones come in the answer, as text that passes the door's redaction or, where they are no text, as base64; over HTTP
 * there is a URL for the file as it is, and on this host its path. Decides which of these; who may fetch from the URL is policy's.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import type { FileSource } from '../core/files.ts';
import { strip } from '../core/foreign.ts';
import { foreign, once, WaitS } from '../core/schema.ts';
import { rfc3339, bytes as size } from '../core/text.ts';
import { redactorOf, tame } from './file_change.ts';
import { PathIn, pathOf, targetOf } from './file_parts.ts';

/** Of a file whose bytes come in the answer, and of the answer as JSON: the most that any has. */
const MOST_INLINE = 48 * 1024;
const MOST_JSON = 62 * 1024;
/** Text of an answer repeats no more than that of a file. */
const MOST_TEXT = 16 * 1024;

const Answer = once(() =>
  z.object({
    path: foreign(z.string(), 'file name'),
    sizeBytes: z.number(),
    modifiedAt: z.string(),
    sha256: z.string().describe('Of the file, as it is.'),
    encoding: z.enum(['utf-8', 'base64']).nullable().describe('Of content; null: it is not in the answer.'),
    content: foreign(z.string(), 'file').nullable(),
    altered: z
      .object({ redacted: z.boolean(), stripped: z.boolean() })
      .nullable()
      .describe('What was taken out of content; null: nothing.'),
    url: z.string().nullable().describe('GET with your bearer token: the file as it is. Range and ETag work.'),
    expiresAt: z.string().nullable(),
    linkUntil: z.string().nullable().describe('Until then the URL alone serves, once.'),
    local: foreign(z.string(), 'file name').nullable().describe('Where it is on this host, for who is on it too.'),
  }),
);
type Answer = z.output<ReturnType<typeof Answer>>;

export const fileDownload = defineRead({
  name: 'file_download',
  title: 'Download a file',
  description:
    'Use this to get a whole file with its SHA-256: up to 48 KiB in the answer, any size by a URL that needs your token (over HTTP) or by its path (on this host). To look at text use file_read.',
  toolset: 'files',
  core: false,
  input: () =>
    z.strictObject({
      path: PathIn(),
      inline: z.boolean().default(true).describe('false: never the bytes in the answer.'),
      wait_s: WaitS(),
    }),
  output: Answer,
  scopes: { least: 'files:read' },
  risk: 'sensitive',
  targets: (i) => [{ kind: 'path', name: targetOf(i.path) }],
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 900_000, maxBytes: 64 * 1024 },
  long: true,
  perPrincipal: true,

  async handler(i, ctx) {
    const { files } = ctx.host;
    const source = await files.transfers.open(pathOf(i.path), { signal: ctx.signal });
    try {
      const most = ctx.transfers?.maxBytes ?? Number.POSITIVE_INFINITY;
      const { path, stat } = source;
      if (stat.sizeBytes > most)
        throw new OpsError('limit', `${tame(path)} has ${size(stat.sizeBytes)}, and ${size(most)} is the most.`, {
          hint: 'Read a part with file_read, or raise `files.transfers.maxBytes`.',
        });
      const sha256 = await source.digest({ signal: ctx.signal, onBytes: (n) => ctx.progress(n, stat.sizeBytes) });
      const inline = i.inline ? await inlined(source, ctx) : NOTHING;
      const offer = ctx.transfers?.way === 'url' ? ctx.transfers.offer({ path, stat, sha256 }) : null;
      return {
        path,
        sizeBytes: stat.sizeBytes,
        modifiedAt: rfc3339(stat.modifiedMs),
        sha256,
        ...inline,
        url: offer?.url ?? null,
        expiresAt: offer ? rfc3339(offer.expiresAtMs) : null,
        linkUntil: offer?.linkUntilMs == null ? null : rfc3339(offer.linkUntilMs),
        local: offer ? null : path,
      };
    } finally {
      await source.close();
    }
  },

  text(a, view) {
    const lines = [`${a.path}  ${size(a.sizeBytes)}, changed ${a.modifiedAt}`, `sha256 ${a.sha256}`];
    if (a.url !== null) {
      const alone = a.linkUntil === null ? '' : `; without one it serves once, until ${a.linkUntil}`;
      lines.push(`the file as it is: GET ${a.url} with your bearer token, until ${a.expiresAt}${alone}`);
    }
    if (a.content === null) {
      if (a.local !== null) lines.push(view.paint('dim', 'It is on this host, at that path.'));
    } else {
      if (a.altered) lines.push(`⟦altered: ${alterations(a)}⟧`);
      if (a.content.length > MOST_TEXT) lines.push(`its ${a.encoding} is in \`content\` of the structured result`);
      else lines.push(a.encoding === 'base64' ? `base64: ${a.content}` : a.content);
    }
    return lines.join('\n');
  },
});

const NOTHING = { encoding: null, content: null, altered: null };

async function inlined(
  source: FileSource,
  ctx: ToolContext,
): Promise<Pick<Answer, 'encoding' | 'content' | 'altered'>> {
  const { sizeBytes } = source.stat;
  if (sizeBytes > MOST_INLINE) return NOTHING;
  const shared = new Uint8Array(new SharedArrayBuffer(sizeBytes));
  const got = sizeBytes === 0 ? 0 : await source.read(shared, 0, { signal: ctx.signal });
  const bytes = Buffer.from(shared.subarray(0, got));
  const text = textOf(bytes);
  const redactor = redactorOf(ctx);
  if (text === null) {
    const content = bytes.toString('base64');
    // By chance like a secret: what is taken out of it could not be put back together.
    if (redactor.text(content) !== content || content.length > MOST_JSON) return NOTHING;
    return { encoding: 'base64', content, altered: null };
  }
  const stripped = strip(text);
  const altered = { redacted: redactor.text(stripped) !== stripped, stripped: stripped !== text };
  const content = redactor.text(stripped);
  if (Buffer.byteLength(JSON.stringify(content)) > MOST_JSON) return NOTHING;
  return { encoding: 'utf-8', content, altered: altered.redacted || altered.stripped ? altered : null };
}

/** Null: not text as it could be given. */
function textOf(bytes: Buffer): string | null {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

const alterations = ({ altered }: Answer): string =>
  [altered?.redacted ? 'secrets' : null, altered?.stripped ? 'characters that cannot be seen' : null]
    .filter((what) => what !== null)
    .join(' and ')
    .concat(' taken out; the SHA-256 is of the file as it is');
