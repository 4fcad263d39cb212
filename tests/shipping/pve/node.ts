/** A Proxmox VE node as far as lxc/create.sh looks: its tools are stub.sh, which keeps what happened in a folder. No root, nothing outside of that folder. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const script = fileURLToPath(new URL('../../../lxc/create.sh', import.meta.url));
export const TOOLS = ['pct', 'pveam', 'pvesh', 'pvesm', 'pveversion', 'id', 'hostname', 'ip'];
export const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
const debian = arch === 'arm64' ? 'arm64' : 'amd64';
export const template = (version: string) => `debian-${version}-standard_${version}.1-2_${debian}.tar.zst`;
export const POWERS = ['ping', 'docker', 'signals', 'write'];

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

export interface Node extends Disposable {
  dir: string;
  release: string;
  sha256: string;
  /** Of the node, for the next run: what fails, which storages there are. */
  set(file: string, text: string): void;
  has(file: string): string;
  calls(): string[];
  /** Those that change something. */
  changes(): string[];
  guests(): string[];
  run(args?: string[], settings?: Record<string, string>, file?: string): Promise<Ran>;
  begin(args: string[], settings?: Record<string, string>): { child: ChildProcess; ended: Promise<Ran> };
}

const CHANGES = /^(pct (create|set|start|stop|destroy|push|exec)|pveam (download|update)) /;

export function node(): Node {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-pve-'));
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  mkdirSync(join(dir, 'guests'));
  mkdirSync(join(dir, 'etc/lxc'), { recursive: true });
  const stub = fileURLToPath(new URL('./stub.sh', import.meta.url));
  for (const tool of TOOLS) symlinkSync(stub, join(bin, tool));
  cpSync(fileURLToPath(new URL('./options.txt', import.meta.url)), join(dir, 'options.txt'));
  const set = (file: string, text: string) => writeFileSync(join(dir, file), text);
  for (const [file, text] of Object.entries({
    version: '9.1.2',
    uid: '0\n',
    links: 'lo\nvmbr0\nvmbr1\n',
    taken: '100\n101\n',
    storages:
      'local dir active vztmpl iso backup\nlocal-lvm lvmthin active rootdir images\ntank zfspool active rootdir images\nnas nfs inactive rootdir vztmpl\n',
    templates: `local:vztmpl/${template('13')}\n`,
    offered: `alpine-3.22-default_20250617_${debian}.tar.xz\n${template('12')}\n${template('13')}\n`,
    update: '',
    systemd: 'running\n',
    address: '192.0.2.50 2001:db8::50 \n',
    calls: '',
    environment: '',
    'environment.values': '',
  }))
    set(file, text);
  // What create.sh waits for by the second either comes or does not.
  writeFileSync(join(bin, 'sleep'), '#!/bin/sh\nexec /bin/sleep 0.01\n', { mode: 0o755 });
  const { file: release, sha256 } = releaseIn(dir);
  const has = (file: string) => (existsSync(join(dir, file)) ? readFileSync(join(dir, file), 'utf8') : '');
  const calls = () =>
    has('calls')
      .replaceAll(dir, 'DIR')
      .replaceAll(/\/tmp\/tmp\.\w+/g, 'TEMP')
      .replaceAll(sha256, 'SHA256')
      .replaceAll(debian, 'ARCH')
      .replaceAll(`linux-${arch}`, 'linux-ARCH')
      .split('\n')
      .filter(Boolean);
  const children = new Set<ChildProcess>();
  const begin: Node['begin'] = (args, settings = {}) => start('bash', [script, ...args], settings);
  function start(command: string, args: string[], settings: Record<string, string>) {
    const env = { PATH: `${bin}:/usr/bin:/bin`, HOME: dir, TMPDIR: '/tmp', PVE_ETC: join(dir, 'etc'), ...settings };
    const child = spawn(command, args, { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
    children.add(child);
    child.once('close', () => children.delete(child));
    let out = '';
    let err = '';
    child.stdout.on('data', (d) => {
      out += d;
    });
    child.stderr.on('data', (d) => {
      err += d;
    });
    const ended = new Promise<Ran>((done, failed) => {
      child.once('error', failed);
      child.once('close', (code) => done({ code, out, err }));
    });
    return { child, ended };
  }
  return {
    dir,
    release,
    sha256,
    set,
    has,
    calls,
    changes: () => calls().filter((c) => CHANGES.test(c)),
    guests: () => readdirSync(join(dir, 'guests')),
    begin,
    run: (args = [], settings = {}, file = script) => start('bash', [file, ...args], settings).ended,
    [Symbol.dispose]() {
      // Of a test that did not wait for its end.
      for (const child of children) child.kill('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** As large as create.sh looks into it. */
function releaseIn(dir: string): { file: string; sha256: string } {
  const folder = `deckhand-0.1.0-linux-${arch}`;
  const powers = join(dir, 'made', folder, 'deploy/systemd/powers');
  mkdirSync(powers, { recursive: true });
  for (const power of POWERS) writeFileSync(join(powers, `${power}.conf`), '');
  writeFileSync(join(dir, 'made', folder, 'install.sh'), '# an install.sh\n');
  const file = join(dir, `${folder}.tar.gz`);
  const made = spawnSync('tar', ['-C', join(dir, 'made'), '-czf', file, folder], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  writeFileSync(join(dir, 'SHA256SUMS'), `${sha256}  ${folder}.tar.gz\n`);
  return { file, sha256 };
}
