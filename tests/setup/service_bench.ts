/**
 * A machine below a folder, for setup/service: its systemd is a file, so that it outlives a process that is killed. Releases are small
 * ones, with the real unit files. Decides what such a systemd does: it starts what `current` names, unless that version is a bad one.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { sha256 } from '../../scripts/release/tar.ts';
import type { Machine } from '../../src/setup/service/machine.ts';
import { placeAt } from '../../src/setup/service/place.ts';

const checkout = fileURLToPath(new URL('../..', import.meta.url));

interface Systemd {
  user: boolean;
  enabled: string[];
  active: string[];
  /** What the service runs. */
  version: string | null;
  starts: number;
  /** Where the socket listens. */
  listen: string;
  failed: boolean;
  restarts: number;
}

const EMPTY: Systemd = {
  user: false,
  enabled: [],
  active: [],
  version: null,
  starts: 0,
  listen: '',
  failed: false,
  restarts: 0,
};

export interface Bench {
  root: string;
  m: Machine;
  systemd(): Systemd;
  /** All programs that were run, with their words. */
  ran: string[];
}

export function bench(
  root: string,
  o: { before?: (step: string) => void; bad?: string[]; uid?: number; container?: string; unreadable?: string[] } = {},
): Bench {
  const place = placeAt(root);
  for (const folder of [
    'etc/systemd/system',
    'etc/sysusers.d',
    'etc/tmpfiles.d',
    'run',
    'usr/local/bin',
    'var/lib',
    'opt',
  ])
    mkdirSync(join(root, folder), { recursive: true });
  const file = join(root, 'systemd.json');
  const systemd = (): Systemd => (existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Systemd) : EMPTY);
  const change = (next: Partial<Systemd>) => {
    writeFileSync(`${file}.tmp`, JSON.stringify({ ...systemd(), ...next }));
    renameSync(`${file}.tmp`, file);
  };
  const ran: string[] = [];
  const ids = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  let clock = Date.UTC(2026, 10, 21);
  const current = () => {
    try {
      return basename(readlinkSync(place.current));
    } catch {
      return null;
    }
  };
  const socketOf = () => {
    const drop = join(place.units, 'deckhand.socket.d/50-address.conf');
    const text = existsSync(drop) ? drop : join(place.units, 'deckhand.socket');
    return existsSync(text)
      ? (readFileSync(text, 'utf8')
          .split('\n')
          .filter((l) => /^ListenStream=./.test(l))
          .at(-1)
          ?.slice(13) ?? '')
      : '';
  };
  const start = () => {
    const version = current();
    const bad = version === null || (o.bad ?? []).includes(version);
    const s = systemd();
    change({
      version: bad ? null : version,
      starts: s.starts + 1,
      failed: bad,
      active: bad ? s.active.filter((u) => u !== 'deckhand.service') : [...new Set([...s.active, 'deckhand.service'])],
    });
  };
  const systemctl = (args: readonly string[]): string => {
    const [verb = '', ...rest] = args;
    const units = rest.filter((a) => !a.startsWith('-'));
    const s = systemd();
    if (verb === 'enable') change({ enabled: [...new Set([...s.enabled, ...units])] });
    if (verb === 'disable') change({ enabled: s.enabled.filter((u) => !units.includes(u)) });
    if (verb === 'stop')
      change({
        active: s.active.filter((u) => !units.includes(u)),
        version: units.includes('deckhand.service') ? null : s.version,
      });
    if (verb === 'restart') start();
    if (verb === 'start') {
      change({ active: [...new Set([...s.active, ...units])] });
      if (units.includes('deckhand.socket')) change({ listen: socketOf() });
    }
    if (verb === 'is-enabled') return s.enabled.includes(units[0] ?? '') ? 'enabled\n' : 'disabled\n';
    if (verb === 'is-active') return s.active.includes(units[0] ?? '') ? 'active\n' : 'inactive\n';
    if (verb !== 'show') return '';
    if (units[0] === 'deckhand.socket')
      return `ActiveState=${s.active.includes('deckhand.socket') ? 'active' : 'inactive'}\nListen=${s.listen} (Stream)\n`;
    const up = s.version !== null;
    return `ActiveState=${up ? 'active' : s.failed ? 'failed' : 'inactive'}\nMainPID=${up ? 77 : 0}\nInvocationID=${s.starts}\nNRestarts=0\nResult=${s.failed ? 'exit-code' : 'success'}\nExecMainStatus=${s.failed ? 226 : 0}\nNeedDaemonReload=no\nActiveEnterTimestamp=\n`;
  };
  const answer = (stdout: string, code = 0, stderr = '') => Promise.resolve({ code, stdout, stderr });
  const m: Machine = {
    place,
    uid: o.uid ?? 0,
    systemd: () => true,
    container: () => o.container ?? null,
    has: () => true,
    run(binary, args) {
      ran.push([binary, ...args].join(' '));
      if (binary === 'systemctl') return answer(systemctl(args));
      if (binary === 'systemd-sysusers') change({ user: true });
      if (binary === 'userdel') change({ user: false });
      return answer('');
    },
    program(folder, args) {
      const version = basename(folder);
      ran.push(`${version} ${args.join(' ')}`);
      if (args[0] === 'token' && o.unreadable?.includes(version))
        return answer('', 5, 'The state was written by a newer Deckhand (schema 9; this one knows 7).');
      return answer(args[0] === 'version' ? `${version}\n` : '');
    },
    user: () => (systemd().user ? ids : null),
    groupThere: () => true,
    exeOf: () => `/opt/deckhand/versions/${systemd().version}/node/bin/node`,
    healthy: () => Promise.resolve(systemd().version !== null),
    asUser: (_, work) => work(),
    wait: (ms) => {
      clock += ms;
      return Promise.resolve();
    },
    now: () => clock,
    before: o.before ?? (() => undefined),
    signal: new AbortController().signal,
  };
  return { root, m, systemd, ran };
}

/** As if a program: an ELF header of this machine. */
const NODE = Buffer.alloc(64);
NODE.writeUInt32BE(0x7f454c46, 0);
NODE.writeUInt16LE(process.arch === 'arm64' ? 183 : 62, 18);

export type Content = Record<string, string | Buffer>;

export function contentOf(version: string, more: Content = {}): Content {
  const content: Content = {
    'bin/deckhand': '#!/bin/sh\n',
    'bin/deckhand.mjs': `// ${version}\n`,
    'dist/main.mjs': `// ${version}\n`,
    'node/bin/node': NODE,
    'package.json': JSON.stringify({ name: 'deckhand', version }),
    ...more,
  };
  return {
    ...content,
    SHA256SUMS: Object.entries(content)
      .map(([path, data]) => `${sha256(data as Buffer)}  ${path}\n`)
      .join(''),
  };
}

/** A release, unpacked by hand. */
export function unpackedRelease(folder: string, version: string): string {
  const to = join(folder, `deckhand-${version}-linux-${process.arch}`);
  mkdirSync(to, { recursive: true });
  cpSync(join(checkout, 'deploy/systemd'), join(to, 'deploy/systemd'), { recursive: true });
  const units = [
    'deckhand.service',
    'deckhand.socket',
    'deckhand.sysusers',
    'deckhand.tmpfiles',
    'powers/ping.conf',
    'powers/docker.conf',
    'powers/write.conf',
  ];
  const more = Object.fromEntries(
    units.map((n) => [
      `deploy/systemd/${n}`,
      `# of ${version}\n${readFileSync(join(checkout, 'deploy/systemd', n), 'utf8')}`,
    ]),
  );
  for (const [path, data] of Object.entries(contentOf(version, more))) {
    mkdirSync(join(to, path, '..'), { recursive: true });
    writeFileSync(join(to, path), data);
  }
  const whole = { ...Object.fromEntries(filesBelow(to).map((p) => [p, readFileSync(join(to, p))])) };
  delete whole.SHA256SUMS;
  writeFileSync(
    join(to, 'SHA256SUMS'),
    Object.entries(whole)
      .map(([p, d]) => `${sha256(d)}  ${p}\n`)
      .join(''),
  );
  return to;
}

function filesBelow(folder: string): string[] {
  return readdirAll(folder).map((p) => p.slice(folder.length + 1));
}

/** One entry of a tar file, as an attacker may write it. */
export interface Raw {
  name: string;
  data?: Buffer | string;
  type?: string;
  mode?: number;
  prefix?: string;
  size?: number;
  link?: string;
}

export function tarOf(entries: readonly Raw[], end = true): Buffer {
  const blocks = entries.flatMap(({ name, data = '', type = '0', mode = 0o644, prefix = '', size, link = '' }) => {
    const body = Buffer.from(data as string);
    const head = Buffer.alloc(512);
    head.write(name, 0, 100, 'latin1');
    head.write(mode.toString(8).padStart(7, '0'), 100);
    head.write((size ?? body.length).toString(8).padStart(11, '0'), 124);
    head.write('00000000000', 136);
    head.write('        ', 148);
    head.write(type, 156);
    head.write(link, 157, 100, 'latin1');
    head.write('ustar\x0000', 257);
    head.write(prefix, 345);
    head.write(
      `${head
        .reduce((n, b) => n + b, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    return [head, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, ...(end ? [Buffer.alloc(1024)] : [])]);
}

/** A tarball of an unpacked release; `more` is put behind it. */
export function tarballOf(folder: string, more: readonly Raw[] = []): Buffer {
  const top = basename(folder);
  const entries = filesBelow(folder).map((p) => ({
    name: `${top}/${p}`,
    data: readFileSync(join(folder, p)),
    mode: /bin\//.test(p) ? 0o755 : 0o644,
  }));
  return gzipSync(tarOf([...entries, ...more]), { level: 1 });
}

function readdirAll(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))
    .sort();
}
