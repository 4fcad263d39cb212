/** The doctor's look at our own house: Node, settings, state folder, store, port. Each check reads; nothing is changed. */
import { existsSync, lstatSync, type Stats, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import type { App } from '../app.ts';
import type { Loaded } from '../config/load.ts';
import type { Check } from './doctor.ts';
import { shell } from './welcome.ts';

export function nodeChecks(p: Pick<NodeJS.Process, 'version' | 'execPath' | 'execArgv' | 'arch'>): Check[] {
  const flags = p.execArgv.length ? p.execArgv.join(' ') : 'none';
  const where = isSea() ? `in the executable ${p.execPath}` : p.execPath;
  return [ok('node', 'Node', `${p.version} (${p.arch}), ${where}; start flags: ${flags}.`)];
}

export function configChecks({ file, origins }: Loaded): Check[] {
  const from = (kind: string) => [...origins.values()].filter((o) => o.from === kind).length;
  const given = [`${from('env')} from the environment`, `${from('flag')} from flags`].join(', ');
  return [
    ok(
      'config',
      'Configuration',
      `${file ?? 'no file; defaults'}${file ? `: ${from('file')} settings` : ''}, ${given}.`,
    ),
  ];
}

const LEAST_FREE = 64 * 1024;
const LITTLE_FREE = 256 * 1024 * 1024;
/** Network file systems on which several processes cannot share SQLite's WAL: its index is shared memory. */
const NETWORK: Record<number, string> = {
  26985: 'NFS',
  4283649346: 'CIFS',
  4266872130: 'SMB2',
  16914839: '9p',
  12805120: 'Ceph',
  1702057286: 'FUSE',
};

export function stateChecks(dir: string, uid = process.geteuid?.() ?? 0): { checks: Check[]; usable: boolean } {
  const title = 'State folder';
  const found = statOf(dir);
  if (!found) {
    const above = nearestFolder(dir);
    const text = `${dir} does not exist yet; the first start makes it, under ${above}.`;
    return { checks: [note('state.missing', title, text)], usable: false };
  }
  if (!found.isDirectory())
    return {
      checks: [
        broken(
          'state.kind',
          title,
          `${dir} is not a folder.`,
          `--state-dir FOLDER, or: mv ${shell(dir)} ${shell(dir)}.old`,
        ),
      ],
      usable: false,
    };
  const checks: Check[] = [];
  if (found.uid !== uid && uid !== 0)
    checks.push(
      broken(
        'state.owner',
        title,
        `${dir} belongs to uid ${found.uid}; this is uid ${uid}.`,
        `sudo chown -R ${uid} ${shell(dir)}`,
      ),
    );
  else if (found.uid !== uid)
    checks.push(
      note('state.owner', title, `${dir} belongs to uid ${found.uid}: commands run by root become that user first.`),
    );
  if (found.mode & 0o077)
    checks.push(
      broken('state.mode', title, `${dir} is open to others (mode ${octal(found)}).`, `chmod 700 ${shell(dir)}`),
    );
  for (const name of ['tokens.json', 'audit.key', 'deckhand.db']) {
    const file = join(dir, name);
    const stats = statOf(file);
    if (stats && stats.mode & 0o077)
      checks.push(
        broken(
          'state.file_mode',
          name,
          `${file} is open to others (mode ${octal(stats)}).`,
          `chmod 600 ${shell(file)}`,
        ),
      );
    if (stats && stats.uid !== found.uid)
      checks.push(
        broken(
          'state.file_owner',
          name,
          `${file} belongs to uid ${stats.uid}, its folder to ${found.uid}.`,
          `sudo chown ${found.uid} ${shell(file)}`,
        ),
      );
  }
  checks.push(...space(dir));
  const usable = !checks.some((c) => c.severity === 'broken' && c.code !== 'state.space');
  if (!checks.some((c) => c.severity !== 'info')) checks.push(ok('state', title, `${dir}, mode ${octal(found)}.`));
  return { checks, usable };
}

function space(dir: string): Check[] {
  const checks: Check[] = [];
  let fs: ReturnType<typeof statfsSync>;
  try {
    fs = statfsSync(dir);
  } catch (error) {
    return [
      broken(
        'state.space',
        'State folder',
        `${dir} cannot be looked at: ${(error as Error).message}.`,
        `ls -ld ${shell(dir)}`,
      ),
    ];
  }
  const free = fs.bavail * fs.bsize;
  const see = `df -h ${shell(dir)}; du -xh --max-depth=2 ${shell(dir)} | sort -h | tail`;
  if (fs.blocks > 0 && free < LEAST_FREE)
    checks.push(
      broken(
        'state.space',
        'State folder',
        `The disk under ${dir} is full: nothing can be changed or recorded until there is room.`,
        see,
      ),
    );
  else if (fs.blocks > 0 && free < LITTLE_FREE)
    checks.push(
      warning('state.space', 'State folder', `Only ${Math.floor(free / 1024 / 1024)} MiB are free under ${dir}.`, see),
    );
  if (fs.files > 0 && fs.ffree === 0)
    checks.push(broken('state.inodes', 'State folder', `No inode is free under ${dir}.`, `df -i ${shell(dir)}`));
  const network = NETWORK[fs.type];
  if (network)
    checks.push(
      warning(
        'state.network',
        'State folder',
        `${dir} lies on ${network}: several processes cannot share a database there.`,
        '--state-dir FOLDER (state.dir) on a local disk',
      ),
    );
  return checks;
}

export function storeChecks(app: Pick<App, 'tokens' | 'storeTrouble' | 'config'>): Check[] {
  const checks: Check[] = [];
  const trouble = app.storeTrouble();
  checks.push(
    trouble
      ? broken('store', 'Store', trouble, `df -h ${shell(app.config.state.dir)}`)
      : ok('store', 'Store', 'The database opens and answers.'),
  );
  const problem = app.tokens.problem();
  if (problem) return [...checks, broken('tokens', 'Tokens', problem.message, problem.details.hint ?? null)];
  const tokens = app.tokens.list();
  const expired = tokens.filter((t) => t.expiresAtMs !== null && t.expiresAtMs <= Date.now());
  if (tokens.length === 0)
    checks.push(
      note(
        'tokens.none',
        'Tokens',
        'There is none; HTTP clients need one, stdio clients do not.',
        'deckhand token add NAME --role operator',
      ),
    );
  else if (expired.length)
    checks.push(
      note(
        'tokens.expired',
        'Tokens',
        `Expired: ${expired.map((t) => t.name).join(', ')}.`,
        expired.map((t) => `deckhand token revoke ${t.name}`).join('; '),
      ),
    );
  else checks.push(ok('tokens', 'Tokens', `${tokens.length}, none expired.`));
  return checks;
}

/** Whether `serve` could listen: tried for a moment, on the address it would take. */
export async function portChecks({ host, port }: { host: string; port: number }): Promise<Check[]> {
  const title = `Port ${port}`;
  const checks: Check[] = [];
  const failure = await tryListen(host, port);
  if (!failure) checks.push(ok('http.port', title, `free on ${host}.`));
  else if (failure === 'EADDRINUSE')
    checks.push(
      (await answersAsDeckhand(host, port))
        ? ok('http.port', title, `a Deckhand serves on ${host} already.`)
        : warning(
            'http.port',
            title,
            `taken by another program on ${host}.`,
            `ss -ltnp 'sport = :${port}', or choose another: --http-port ${port + 1}`,
          ),
    );
  else if (failure === 'EACCES')
    checks.push(warning('http.port', title, 'this user may not listen on it.', '--http-port 7070 (any from 1024 on)'));
  else
    checks.push(
      warning(
        'http.port',
        title,
        `serve cannot listen on ${host}: ${failure}.`,
        'http.host: an address of this host (ip -brief address)',
      ),
    );
  return checks;
}

function tryListen(host: string, port: number): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const server = createServer();
  server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  return promise;
}

async function answersAsDeckhand(host: string, port: number): Promise<boolean> {
  try {
    const at = /^(0\.0\.0\.0|::)$/.test(host) ? '127.0.0.1' : host;
    const response = await fetch(`http://${at.includes(':') ? `[${at}]` : at}:${port}/healthz`, {
      // Of a socket that systemd holds: the first call starts the service, which takes a moment.
      signal: AbortSignal.timeout(4_000),
      redirect: 'error',
    });
    // One that speaks TLS says so to who does not.
    const ours = response.ok || (response.status === 400 && /speaks TLS/.test(await response.text()));
    return ours && /json/.test(response.headers.get('content-type') ?? '');
  } catch {
    return false;
  }
}

function nearestFolder(path: string): string {
  let at = dirname(path);
  while (at !== dirname(at) && !existsSync(at)) at = dirname(at);
  return at;
}

function statOf(path: string): Stats | null {
  try {
    // The folder may be a link; a file of ours never is.
    return path.endsWith('.json') ? lstatSync(path) : statSync(path);
  } catch {
    return null;
  }
}

const octal = (stats: Stats) => (stats.mode & 0o7777).toString(8).padStart(4, '0');
const check =
  (severity: Check['severity']) =>
  (code: string, title: string, text: string, fix: string | null = null): Check => ({
    code,
    severity,
    title,
    text,
    fix,
  });
export const [broken, warning, note, ok] = [check('broken'), check('warning'), check('info'), check('ok')] as const;
