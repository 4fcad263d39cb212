/**
 * A gigabyte down and up through the house, beside a bare node:http stream of the same file in the same run: how fast, with how much
 * memory, what an interruption costs, and what a wrong hash leaves.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AnyClient, overHttp } from '../e2e/product.ts';

export interface TransferSoak {
  bytes: number;
  /** MiB a second, the medians. */
  down: { ours: number; bare: number };
  up: { ours: number; bare: number };
  /** MiB that the server's memory grew at most, above that before. */
  growthMiB: { down: number; up: number };
  resumed: { down: boolean; up: boolean; downFrom: number; upFrom: number };
  wrongHash: { status: number; left: string[] };
  /** Seconds that a slow sender took, and whether it came through: longer than node:http waits for other requests. */
  slow: { seconds: number; done: boolean };
}

interface Server {
  url: string;
  token: string;
  dir: string;
  pid: number;
  stop(): Promise<void>;
}

async function server(kind: string, at: string): Promise<Server> {
  const program = fileURLToPath(new URL('./served.ts', import.meta.url));
  const child = spawn(process.execPath, [program, kind, at], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const line = await new Promise<string>((resolve) => {
    let text = '';
    child.stdout.on('data', (d) => {
      text += d;
      if (text.includes('\n')) resolve(text);
    });
  });
  const stop = () => {
    child.kill('SIGTERM');
    return gone;
  };
  return { ...(JSON.parse(line) as Omit<Server, 'pid' | 'stop'>), pid: child.pid as number, stop };
}

const MIB = 1024 * 1024;
const rss = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024;

/** The most that a process held meanwhile, beyond what it held before. */
async function growing<T>(pid: number, work: () => Promise<T>): Promise<{ value: T; growth: number }> {
  const before = rss(pid);
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, rss(pid));
  }, 20);
  const value = await work();
  clearInterval(timer);
  return { value, growth: Math.round(most - before) };
}

type Headers = Record<string, string | number>;

/** Until the end, or until so many bytes have come. */
function fetched(url: string, headers: Headers, o: { sha?: boolean; leaveAt?: number } = {}) {
  const hash = createHash('sha256');
  let bytes = 0;
  return new Promise<{ bytes: number; sha256: string; mibs: number }>((resolve, reject) => {
    const started = performance.now();
    const out = request(url, { headers }, (r) => {
      const over = () =>
        resolve({
          bytes,
          sha256: hash.copy().digest('hex'),
          mibs: bytes / MIB / ((performance.now() - started) / 1_000),
        });
      r.on('data', (d: Buffer) => {
        bytes += d.length;
        if (o.sha) hash.update(d);
        if (o.leaveAt !== undefined && bytes >= o.leaveAt) {
          out.destroy();
          over();
        }
      });
      r.on('error', () => {});
      r.on('end', over);
    });
    out.on('error', (error) => (o.leaveAt === undefined ? reject(error) : undefined));
    out.end();
  });
}

function sent(
  method: string,
  url: string,
  headers: Headers,
  file: string,
  o: { start?: number; leaveAt?: number } = {},
) {
  return new Promise<{ status: number; body: string; mibs: number }>((resolve) => {
    const started = performance.now();
    let bytes = 0;
    const body = createReadStream(file, { start: o.start ?? 0, highWaterMark: 256 * 1024 });
    const out = request(url, { method, headers }, (r) => {
      let text = '';
      r.on('data', (d) => {
        text += d;
      });
      r.on('end', () =>
        resolve({ status: r.statusCode ?? 0, body: text, mibs: bytes / MIB / ((performance.now() - started) / 1_000) }),
      );
    });
    out.on('error', () => resolve({ status: 0, body: '', mibs: 0 }));
    body.on('data', (d) => {
      bytes += d.length;
      if (o.leaveAt !== undefined && bytes >= o.leaveAt) {
        body.destroy();
        out.destroy();
      }
    });
    body.pipe(out);
  });
}

const median = (ns: number[]) => Math.round(ns.toSorted((a, b) => a - b)[Math.floor(ns.length / 2)] as number);

export async function transferSoak(o: { bytes: number; rounds: number; slowSeconds: number }): Promise<TransferSoak> {
  const at = mkdtempSync(join(tmpdir(), 'deckhand-transfer-soak-'));
  const servers: Server[] = [];
  let client: AnyClient | null = null;
  try {
    const ours = await server('house', at);
    const bare = await server('bare', at);
    servers.push(ours, bare);
    const mcp = await overHttp('2026-07-28', ours.url, ours.token);
    client = mcp;
    const auth = { authorization: `Bearer ${ours.token}` };
    const call = async (name: string, args: Record<string, unknown>) => {
      const r = await mcp.callTool({ name, arguments: args });
      if (r.isError) throw new Error(JSON.stringify(r.content));
      return r.structuredContent as Record<string, unknown>;
    };
    const big = join(ours.dir, 'big');
    const sha256 = made(big, o.bytes);
    const length = { 'content-length': o.bytes };
    const upload = async (name: string, hash = sha256) =>
      (await call('file_upload', { path: join(ours.dir, name), size_bytes: o.bytes, sha256: hash })).url as string;

    let offer = await call('file_download', { path: big, inline: false, wait_s: 40 });
    for (; offer.state === 'running'; ) {
      const r = await call('result_query', { handle: offer.handle, wait_s: 20 });
      if (r.state === 'done') offer = r.whole as Record<string, unknown>;
    }
    const url = offer.url as string;

    const seen = {
      down: { ours: [] as number[], bare: [] as number[] },
      up: { ours: [] as number[], bare: [] as number[] },
    };
    const growth = { down: 0, up: 0 };
    // Everything is loaded and every cache warm before memory is looked at.
    await fetched(url, auth);
    await sent('PUT', await upload('warm'), { ...auth, ...length }, big);
    rmSync(join(ours.dir, 'warm'));
    for (let n = 0; n < o.rounds; n++) {
      const down = await growing(ours.pid, () => fetched(url, auth));
      if (down.value.bytes !== o.bytes) throw new Error(`${down.value.bytes} bytes came`);
      seen.down.ours.push(down.value.mibs);
      growth.down = Math.max(growth.down, down.growth);
      seen.down.bare.push((await fetched(`${bare.url}${encodeURI(big)}`, {})).mibs);

      const to = await upload(`up${n}`);
      const up = await growing(ours.pid, () => sent('PUT', to, { ...auth, ...length }, big));
      if (up.value.status !== 200) throw new Error(up.value.body);
      seen.up.ours.push(up.value.mibs);
      growth.up = Math.max(growth.up, up.growth);
      seen.up.bare.push((await sent('PUT', `${bare.url}${encodeURI(join(at, 'bare'))}`, length, big)).mibs);
      rmSync(join(ours.dir, `up${n}`));
      rmSync(join(at, 'bare'));
    }

    const half = await fetched(url, auth, { leaveAt: o.bytes / 2 });
    const rest = await fetched(url, { ...auth, range: `bytes=${half.bytes}-`, 'if-range': `"${sha256}"` });
    const all = createHash('sha256');
    // The first half again, and then the second: one digest over both answers.
    for (const range of [`bytes=0-${half.bytes - 1}`, `bytes=${half.bytes}-`])
      await piped(url, { ...auth, range }, (d) => all.update(d));
    const resumedDown = half.bytes + rest.bytes === o.bytes && all.digest('hex') === sha256;

    const again = await upload('resumed');
    await sent('PUT', again, { ...auth, ...length }, big, { leaveAt: o.bytes / 2 });
    const from = await settled(again, auth);
    const end = await sent('PATCH', again, { ...auth, 'upload-offset': from, 'content-length': o.bytes - from }, big, {
      start: from,
    });
    const resumedUp = end.status === 200 && hashOf(join(ours.dir, 'resumed')) === sha256;
    rmSync(join(ours.dir, 'resumed'), { force: true });

    const bad = await sent('PUT', await upload('wrong', 'a'.repeat(64)), { ...auth, ...length }, big);
    const left = readdirSync(ours.dir).filter((n) => n !== 'big' && !n.includes('trash'));
    const slow = await slowly(
      (
        await call('file_upload', {
          path: join(ours.dir, 'slow'),
          size_bytes: o.slowSeconds,
          sha256: SLOW(o.slowSeconds),
        })
      ).url as string,
      auth,
      o.slowSeconds,
    );
    return {
      bytes: o.bytes,
      down: { ours: median(seen.down.ours), bare: median(seen.down.bare) },
      up: { ours: median(seen.up.ours), bare: median(seen.up.bare) },
      growthMiB: growth,
      resumed: { down: resumedDown, up: resumedUp, downFrom: half.bytes, upFrom: from },
      wrongHash: { status: bad.status, left },
      slow,
    };
  } finally {
    await client?.close();
    for (const s of servers) await s.stop();
    rmSync(at, { recursive: true, force: true });
  }
}

function made(path: string, bytes: number): string {
  const fd = openSync(path, 'w');
  const hash = createHash('sha256');
  for (let at = 0; at < bytes; ) {
    const piece = randomBytes(Math.min(8 * MIB, bytes - at));
    hash.update(piece);
    at += writeSync(fd, piece);
  }
  return hash.digest('hex');
}

function hashOf(path: string): string {
  const hash = createHash('sha256');
  return hash.update(readFileSync(path)).digest('hex');
}

function piped(url: string, headers: Headers, take: (d: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (r) => r.on('data', take).on('end', resolve))
      .on('error', reject)
      .end();
  });
}

/** Upload-Offset, once what had come before the break is in. */
async function settled(url: string, headers: Record<string, string>): Promise<number> {
  let was = -1;
  for (;;) {
    const now = Number((await fetch(url, { method: 'HEAD', headers })).headers.get('upload-offset'));
    if (now === was && now > 0) return now;
    was = now;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const SLOW = (n: number) => createHash('sha256').update('x'.repeat(n)).digest('hex');

/** A byte a second. */
function slowly(url: string, headers: Headers, bytes: number): Promise<{ seconds: number; done: boolean }> {
  const started = performance.now();
  return new Promise((resolve) => {
    const over = (done: boolean) => resolve({ seconds: Math.round((performance.now() - started) / 1_000), done });
    const out = request(url, { method: 'PUT', headers: { ...headers, 'content-length': bytes } }, (r) => {
      r.resume();
      r.on('end', () => over(r.statusCode === 200));
    });
    out.on('error', () => over(false));
    let n = 0;
    const timer = setInterval(() => {
      out.write('x');
      if (++n === bytes) {
        clearInterval(timer);
        out.end();
      }
    }, 1_000);
  });
}
