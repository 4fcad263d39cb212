/** What the doctor says of folders that are opened for writing: the very command, only where it is missing, and that it mends. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Asked, type fileChecks, installedUnit, rootChecks, sandboxed } from '../../src/cli/doctor_files.ts';

const shipped = readFileSync(new URL('../../deploy/systemd/deckhand.service', import.meta.url), 'utf8');
const refused = (code: string) => () => {
  throw Object.assign(new Error(code), { code });
};
const asked = (over: Partial<Asked> = {}): Asked => ({
  roots: [
    { path: '/etc', access: 'read' },
    { path: '/srv/my data', access: 'write' },
  ],
  user: 'deckhand',
  access: () => {},
  passes: () => true,
  unit: '',
  ...over,
});

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-roots-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('write roots', () => {
  it('that can be written are in order; read roots are not looked at', () => {
    expect(rootChecks(asked())).toMatchObject([{ code: 'files.write_root', severity: 'ok', fix: null }]);
    expect(rootChecks(asked({ roots: [{ path: '/etc', access: 'read' }], access: refused('EACCES') }))).toEqual([]);
  });

  it('that this user may not write get the ACL, with the way down where it is closed', () => {
    const [check] = rootChecks(asked({ access: refused('EACCES') }));
    expect(check).toMatchObject({
      severity: 'broken',
      fix: "sudo setfacl -R -m u:deckhand:rwX -m d:u:deckhand:rwX '/srv/my data'",
    });
    const [closed] = rootChecks(asked({ access: refused('EACCES'), passes: (p) => p !== '/srv' }));
    expect(closed?.fix).toMatch(/^sudo setfacl -m u:deckhand:x \/srv && sudo setfacl -R /);
  });

  it('that are missing or on a read-only file system are told as that', () => {
    expect(rootChecks(asked({ access: refused('ENOENT') }))[0]).toMatchObject({
      code: 'files.missing',
      severity: 'warning',
    });
    expect(rootChecks(asked({ access: refused('EROFS') }))[0]).toMatchObject({
      code: 'files.read_only',
      fix: "findmnt -T '/srv/my data'",
    });
    expect(rootChecks(asked({ access: refused('EIO') }))[0]?.text).toContain('EIO');
  });

  it('that the sandbox of the unit keeps closed get a drop-in, which opens them', () => {
    const [check] = rootChecks(asked({ unit: shipped }));
    expect(check).toMatchObject({ code: 'files.sandbox', severity: 'broken' });
    expect(check?.fix).toContain('/etc/systemd/system/deckhand.service.d/write-roots.conf');
    // The very text that it would write, put behind the unit.
    const print = /^(printf .*?) \| sudo/.exec(check?.fix ?? '')?.[1] ?? '';
    const dropIn = execFileSync('/bin/sh', ['-c', print], { encoding: 'utf8' });
    expect(dropIn).toBe('[Service]\nReadWritePaths="-/srv/my data"\n');
    expect(rootChecks(asked({ unit: `${shipped}\n${dropIn}` }))).toMatchObject([{ severity: 'ok' }]);
  });
});

describe('the sandbox', () => {
  it.each([
    ['', []],
    ['ProtectSystem=no', []],
    ['ProtectSystem=yes', ['/usr/x']],
    ['ProtectSystem=full', ['/etc/x', '/usr/x']],
    ['ProtectSystem=strict', ['/etc/x', '/usr/x', '/srv', '/home/a']],
    ['ProtectHome=yes', ['/home/a']],
    ['ProtectHome=read-only\nReadWritePaths=/home', []],
    ['ProtectSystem=strict\nReadWritePaths=-/srv /home\nReadWritePaths=+/etc', ['/usr/x']],
    ['ProtectSystem=strict\nReadWritePaths=/srv\nReadWritePaths=', ['/etc/x', '/usr/x', '/srv', '/home/a']],
    ['ProtectSystem=strict\nReadWritePaths=/', []],
  ])('%s', (unit, closed) => expect(sandboxed(['/etc/x', '/usr/x', '/srv', '/home/a'], unit)).toEqual(closed));

  it('is read with its drop-ins in their order; a nearer one of the same name takes the place of another', () => {
    expect(installedUnit(dir)).toBe('');
    const put = (path: string, text: string) => {
      mkdirSync(join(dir, path, '..'), { recursive: true });
      writeFileSync(join(dir, path), text);
    };
    put('usr/lib/systemd/system/deckhand.service', 'vendor');
    put('usr/lib/systemd/system/deckhand.service.d/a.conf', 'far');
    put('etc/systemd/system/deckhand.service.d/a.conf', 'near');
    put('etc/systemd/system/deckhand.service.d/b.conf', 'last');
    expect(installedUnit(dir)).toBe('vendor\nnear\nlast');
    put('etc/systemd/system/deckhand.service', 'own');
    expect(installedUnit(dir)).toMatch(/^own\n/);
  });
});

const real = process.env.DECKHAND_REAL === '1' && process.getuid?.() === 0 && existsSync('/usr/bin/setfacl');
if (!real) process.stderr.write('SKIPPED a part of doctor_files.test.ts: needs DECKHAND_REAL=1, root and setfacl.\n');

it.skipIf(!real)('the ACL that is told lets the service’s user write, and the finding is gone', () => {
  const path = join(dir, 'data');
  mkdirSync(join(path, 'old'), { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  // Under whom it is asked decides: another user, in a process of its own.
  const asNobody = (): string => {
    const script = `import('${new URL('../../src/cli/doctor_files.ts', import.meta.url).href}').then((m)=>console.log(JSON.stringify(m.fileChecks([{path:process.argv[1],access:'write'}]))))`;
    const child = spawnSync(
      '/usr/bin/setpriv',
      ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, '-e', script, path],
      { encoding: 'utf8' },
    );
    return child.stdout;
  };
  const [check] = JSON.parse(asNobody()) as ReturnType<typeof fileChecks>;
  expect(check).toMatchObject({ code: 'files.write_root', severity: 'broken' });
  execFileSync('/bin/sh', ['-c', (check?.fix ?? '').replaceAll('sudo ', '')]);
  expect(JSON.parse(asNobody())).toMatchObject([{ severity: 'ok' }]);
  writeFileSync(join(path, 'later'), '');
  expect(execFileSync('getfacl', ['-cp', join(path, 'later')], { encoding: 'utf8' })).toContain('user:nobody:rw');
});
