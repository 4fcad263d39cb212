/** Checks of files: who looks at which, that the parsers only parse, that a checker sees nothing but a copy, and what it may say of others. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { type Binary, type Exec, type ExecRequest, exec, execOurs, execPath, findBinary } from '../../src/host/exec.ts';
import { harmless } from '../../src/host/validate/harmless.ts';
import { validateHost } from '../../src/host/validate/index.ts';
import { knownBy, placeOf } from '../../src/host/validate/known.ts';
import { kept, rootfs } from '../docker/engine.ts';

let dir: string;
beforeEach(() => {
  dir = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-checks-')));
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));
const host = (o: Partial<Parameters<typeof validateHost>[0]> = {}) =>
  validateHost({ exec, ours: execOurs, folder: join(dir, 'checks'), timeoutMs: 30_000, ...o });
const ask = (path: string, text: string | Buffer, v = host()) => v.proposed(path, Buffer.from(text));
const never: Exec = () => {
  throw new Error('was asked');
};

test('files are known by their path', () => {
  const by = (path: string) => knownBy(path)?.kind ?? null;
  expect(by('/etc/docker/daemon.json')).toBe('json');
  expect(by('/srv/app/tsconfig.json')).toBeNull();
  expect(by('/srv/app/.vscode/settings.json')).toBeNull();
  expect([by('/a.yaml'), by('/a.yml'), by('/a.toml'), by('/a.conf'), by('/a.yml.bak')]).toEqual([
    'yaml',
    'yaml',
    'toml',
    null,
    null,
  ]);
  expect([by('/etc/sudoers'), by('/etc/sudoers.d/app'), by('/srv/chroot/etc/sudoers')]).toEqual([
    'sudoers',
    'sudoers',
    'sudoers',
  ]);
  // sudo itself reads none with a dot or a tilde.
  expect([by('/etc/sudoers.d/a.bak'), by('/etc/sudoers.d/a~')]).toEqual([null, null]);
  expect([by('/etc/ssh/sshd_config'), by('/etc/ssh/sshd_config.d/x.conf'), by('/etc/ssh/ssh_config')]).toEqual([
    'sshd',
    'sshd',
    null,
  ]);
  expect([by('/etc/systemd/system/a@b.timer'), by('/etc/systemd/user/a.service')]).toEqual(['unit', 'unit']);
  expect([
    by('/etc/systemd/system/a.service.d/b.conf'),
    by('/etc/systemd/system.conf'),
    by('/etc/systemd/system/-x.service'),
  ]).toEqual([null, null, 'unit']);
  expect([by('/etc/bind/named.conf.local'), by('/etc/named.conf')]).toEqual(['named', 'named']);
  expect([
    placeOf('/etc/nginx/conf.d/x.conf', '/etc/nginx'),
    placeOf('/srv/shop/compose.yaml', '/etc/nginx'),
    placeOf('/srv/docker-compose.yml', '/x'),
    placeOf('/srv/compose.override.yml', '/x'),
  ]).toEqual(['nginx', 'compose', 'compose', null]);
});

describe('parsers', () => {
  test('tell the line, and leave what is well formed alone', async () => {
    expect(await ask('/a.txt', '{')).toBeNull();
    expect(await ask('/a.json', '{"a": [1, 2]}')).toEqual({
      by: 'the JSON parser',
      result: 'ok',
      why: null,
      line: null,
    });
    expect(await ask('/a.json', '{\n  "a": 1,\n  "b": x\n}\n')).toMatchObject({
      result: 'failed',
      line: 3,
      why: "Unexpected token 'x'",
    });
    expect(await ask('/a.json', '{\n"a": 1')).toMatchObject({ result: 'failed', line: 2 });
    expect(await ask('/a.json', '')).toMatchObject({ result: 'failed', line: 1 });
    expect(await ask('/a.yaml', 'a: 1\nb: [1\nc: 2\n')).toMatchObject({ result: 'failed', line: 3 });
    expect(await ask('/a.yml', 'a: 1\n---\nb: 2\nb: 3\n')).toMatchObject({
      result: 'failed',
      line: 4,
      why: 'Map keys must be unique',
    });
    expect(await ask('/a.yml', '')).toMatchObject({ result: 'ok' });
    expect(await ask('/a.toml', 'a = 1\n[t]\nb = \n')).toMatchObject({ result: 'failed', line: 3 });
    expect(await ask('/a.toml', 'a = 1\n[t]\nb = "x"\n')).toMatchObject({ result: 'ok' });
    expect(await ask('/a.json', Buffer.from([0x7b, 0xff, 0x7d]))).toMatchObject({
      result: 'failed',
      why: 'It is no valid UTF-8.',
    });
    expect(fs.readdirSync(join(dir, 'checks'))).toEqual([]);
  });

  test('make nothing of what they parse: tags, aliases, bombs and depths', async () => {
    const marker = join(dir, 'owned');
    const evil = `a: !!js/function "function () { require('fs').writeFileSync('${marker}', '') }"\nb: !!python/object/apply:os.system ["touch ${marker}"]\nc: !include /etc/shadow\n`;
    expect(await ask('/a.yaml', evil)).toMatchObject({ result: 'ok' });
    expect(fs.existsSync(marker)).toBe(false);
    const laughs = [...'abcdefghij']
      .map((c, i, all) => `${c}: &${c} [${Array(9).fill(i ? `*${all[i - 1]}` : 'lol')}]`)
      .join('\n');
    expect(await ask('/bomb.yaml', laughs)).toMatchObject({ result: 'ok' });
    expect(await ask('/deep.yaml', '['.repeat(50_000))).toMatchObject({ result: 'unknown' });
    expect(await ask('/deep.json', '['.repeat(500_000))).toMatchObject({ result: 'failed' });
    expect((await ask('/deep.toml', `a = ${'['.repeat(100_000)}`))?.result).not.toBe('ok');
    expect(await ask('/p.json', '{"__proto__": {"polluted": 1}}')).toMatchObject({ result: 'ok' });
  });

  test('that take too long are killed, and what is too large is not looked at: both unknown', async () => {
    const began = performance.now();
    const slow = Array.from({ length: 9_000 }, (_, i) => `k${i}: v`).join('\n');
    expect(await ask('/a.yaml', slow, host({ timeoutMs: 150 }))).toMatchObject({
      result: 'unknown',
      why: expect.stringMatching(/was not through/),
    });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(await ask('/a.yaml', Buffer.alloc(2 * 1024 * 1024, 'a'))).toMatchObject({
      result: 'unknown',
      why: 'it is too large to be checked',
    });
  });

  test('are asked once for the same content, unless they could not tell', async () => {
    let asked = 0;
    const v = host({
      ours: (...a) => {
        asked++;
        return execOurs(...a);
      },
    });
    await ask('/a.json', '{}', v);
    await ask('/a.json', '{}', v);
    await ask('/a.json', '[]', v);
    await ask('/b.json', '{}', v);
    expect(asked).toBe(3);
    for (const said of [
      { code: 1, stdout: '', stderr: '' },
      { code: 0, stdout: 'nonsense', stderr: '' },
      { code: 0, stdout: '{"result":"fine"}', stderr: '' },
    ])
      expect(await ask('/a.json', '{}', host({ ours: async () => said }))).toMatchObject({ result: 'unknown' });
    expect(
      await ask('/a.json', '{}', host({ ours: () => Promise.reject(new OpsError('unavailable', 'no Node')) })),
    ).toMatchObject({ result: 'unknown', why: 'no Node' });
  });

  test('a caller who leaves ends it; a folder that cannot be made is said', async () => {
    const gone = new AbortController();
    gone.abort(new Error('left'));
    await expect(host().proposed('/a.json', Buffer.from('{}'), { signal: gone.signal })).rejects.toThrow();
    fs.writeFileSync(join(dir, 'file'), '');
    expect(await ask('/a.json', '{}', host({ folder: join(dir, 'file', 'x') }))).toMatchObject({
      result: 'unknown',
      why: 'a copy to look at could not be made (ENOTDIR)',
    });
  });
});

describe('a checker', () => {
  const saying =
    (code: number | null, text: (copy: string) => string, seen?: (r: ExecRequest) => void): Exec =>
    async (r) => {
      seen?.(r);
      const copy = r.args.find((a) => a.includes('deckhand-check-')) ?? '';
      return { code, stdout: '', stderr: text(copy) };
    };

  test('gets a copy in a folder of its own, nobody else may enter, that is gone afterwards', async () => {
    let at = '';
    const v = host({
      exec: saying(
        0,
        () => '',
        (r) => {
          at = r.args.at(-1) ?? '';
          expect(fs.statSync(join(at, '..')).mode & 0o777).toBe(0o700);
          expect(fs.statSync(at).mode & 0o777).toBe(0o600);
          expect(fs.readFileSync(at, 'utf8')).toBe('root ALL=(ALL) ALL\n');
        },
      ),
    });
    expect(await ask('/etc/sudoers', 'root ALL=(ALL) ALL\n', v)).toMatchObject({ by: 'visudo', result: 'ok' });
    expect(at).toContain(dir);
    expect(fs.existsSync(join(at, '..'))).toBe(false);
  });

  test('is passed on only where it speaks of the copy, and never a path', async () => {
    const told = async (path: string, code: number | null, text: (copy: string) => string) =>
      ask(path, 'x', host({ exec: saying(code, text) }));
    expect(await told('/etc/sudoers', 1, (c) => `${c}:2:9: syntax error\nfoo BAD\n    ^~~\n`)).toMatchObject({
      result: 'failed',
      line: 2,
      why: 'syntax error',
    });
    expect(await told('/etc/sudoers', 1, (c) => `>>> ${c}: syntax error near line 7 <<<`)).toMatchObject({
      result: 'failed',
      line: 7,
    });
    expect(await told('/etc/sudoers', 1, () => '/etc/shadow:1:5: syntax error\nroot:$y$j9T$secret\n')).toEqual({
      by: 'visudo',
      result: 'unknown',
      why: 'it failed without a word about this file; run it on the host',
      line: null,
    });
    expect(await told('/etc/bind/named.conf', 1, (c) => `${c}:3: open: /root/x: file not found`)).toMatchObject({
      result: 'unknown',
    });
    expect(await told('/etc/bind/named.conf.local', 1, (c) => `${c}:3: undefined ACL 'trusted'`)).toMatchObject({
      result: 'unknown',
      why: 'it refers to what is in other files, which were not looked at',
    });
    expect(await told('/etc/ssh/sshd_config', 255, () => 'sshd: no hostkeys available -- exiting.')).toMatchObject({
      result: 'unknown',
    });
    expect(
      await told('/etc/ssh/sshd_config', 255, () => 'Missing privilege separation directory: /run/sshd'),
    ).toMatchObject({ result: 'ok' });
    expect(await told('/etc/sudoers', 1, () => 'visudo: permission denied')).toMatchObject({
      result: 'unknown',
      why: expect.stringMatching(/rights/),
    });
    expect(
      await told(
        '/etc/systemd/system/a.service',
        1,
        () => "systemd-analyze: unrecognized option '--recursive-errors=no'",
      ),
    ).toMatchObject({ why: expect.stringMatching(/too old/) });
    expect(await told('/etc/sudoers', null, () => '')).toMatchObject({
      result: 'unknown',
      why: 'it was ended by a signal',
    });
    expect(await told('/etc/sudoers', 1, (c) => `${c}:1:1: a\n${c}:2:1: b\n`)).toMatchObject({
      why: 'a (and 1 more)',
      line: 1,
    });
  });

  test('that is not there, is too slow or says too much is unknown, with the reason', async () => {
    for (const [code, why] of [
      ['unavailable', /not installed/],
      ['timeout', /did not answer/],
      ['limit', /too much/],
      ['internal', /could not be asked/],
    ] as const)
      expect(
        await ask('/etc/sudoers', 'x', host({ exec: () => Promise.reject(new OpsError(code, 'x')) })),
      ).toMatchObject({
        result: 'unknown',
        why: expect.stringMatching(why),
      });
  });

  test('gets no line that would make it open other files', () => {
    const gone = (kind: Parameters<typeof harmless>[0], text: string) => harmless(kind, text);
    expect(gone('sudoers', 'a\n@include /x\n #includedir /y\n@include \\\n/z\n# include is a word\nb')).toBe(
      'a\n#\n#\n#\n#\n#\nb',
    );
    expect(
      gone('sshd', 'Port 22\n  Include /x\n"Include" /x\nInclude=/x\nHostKey /x\nSubsystem sftp x\nIncluded y'),
    ).toBe('Port 22\n#\n#\n#\n#\nSubsystem sftp x\nIncluded y');
    expect(
      gone('unit', 'ExecStart=/root/x --y\nExecStartPre=-!/a/b\nExecReload=kill -HUP\nExecStart="/a b"\nX=/y'),
    ).toBe('ExecStart=/bin/true --y\nExecStartPre=-!/bin/true\nExecReload=true -HUP\nExecStart="/a b"\nX=/y');
    expect(
      gone(
        'named',
        '# include "/c";\ninclude "/x"; include/**/ "/y"; // include "/z"\noptions { directory "/r"; /* include */ file "include"; };\ninclude\n /w;',
      ),
    ).toBe(
      '# include "/c";\ninclude "/dev/null"; include/**/ "/dev/null"; // include "/z"\noptions { directory "/"; /* include */ file "include"; };\ninclude\n "/dev/null";',
    );
    expect(gone('json', 'include')).toBe('include');
  });
});

describe('in its place', () => {
  const place = (result: { code: number; stdout?: string; stderr?: string }, path = '/etc/nginx/conf.d/a.conf') =>
    host({ exec: async () => ({ stdout: '', stderr: '', ...result }) }).inPlace(path);
  const emerg = (text: string) =>
    `nginx: [emerg] ${text}\nnginx: configuration file /etc/nginx/nginx.conf test failed\n`;

  test('nobody looks at most files', async () => {
    const v = host({ exec: never });
    expect([
      await v.inPlaceBy('/etc/hosts'),
      await v.inPlaceBy('/etc/nginx/x'),
      await v.inPlaceBy('/a/compose.yaml'),
    ]).toEqual([null, 'nginx -t', 'docker compose config']);
    expect(await v.inPlace('/etc/hosts')).toMatchObject({ result: 'unknown' });
  });

  test('nginx is ok only where it has read the file', async () => {
    expect(await place({ code: 0, stdout: '# configuration file /etc/nginx/conf.d/a.conf:\nx' })).toMatchObject({
      result: 'ok',
    });
    expect(await place({ code: 0, stdout: '# configuration file /etc/nginx/nginx.conf:\nx' })).toMatchObject({
      result: 'unknown',
      why: expect.stringMatching(/nothing includes it/),
    });
    expect(
      await place({ code: 1, stderr: emerg('unknown directive "foo" in /etc/nginx/conf.d/a.conf:7') }),
    ).toMatchObject({
      result: 'failed',
      line: 7,
      why: 'unknown directive "foo"',
    });
    expect(
      await place({
        code: 1,
        stderr: emerg('open() "/root/x" failed (2: No such file or directory) in /etc/nginx/conf.d/a.conf:7'),
      }),
    ).toMatchObject({
      why: 'open() "/root/x" failed',
    });
    const elsewhere = await place({
      code: 1,
      stderr: '2026/11/21 16:18:55 [emerg] 1#1: unknown directive "root:$y$secret" in /etc/shadow:1\n',
    });
    expect(elsewhere).toMatchObject({ result: 'failed', line: null });
    expect(elsewhere.why).not.toContain('secret');
    expect(
      await place({ code: 1, stderr: emerg('cannot load certificate "/root/x.pem": BIO_new_file() failed') }),
    ).toMatchObject({
      result: 'failed',
      why: 'it fails elsewhere than in this file (cannot load certificate); run nginx -t on the host',
    });
    expect(
      await place({ code: 1, stderr: emerg('open() "/var/log/nginx/error.log" failed (13: Permission denied)') }),
    ).toMatchObject({ result: 'unknown', why: expect.stringMatching(/rights/) });
    expect(await place({ code: 1 })).toMatchObject({ result: 'unknown' });
  });

  test('compose says what it has against the file, and nothing of what others hold', async () => {
    const compose = (code: number, stderr = '') => place({ code, stderr }, '/srv/compose.yml');
    expect(await compose(0)).toMatchObject({ result: 'ok' });
    expect(
      await compose(
        15,
        'time="x" level=warning msg="obsolete"\nvalidating /srv/compose.yml: services.a Additional property foo is not allowed',
      ),
    ).toMatchObject({
      result: 'failed',
      why: 'services.a Additional property foo is not allowed',
    });
    expect(await compose(15, "yaml: line 3: did not find expected ',' or '}'")).toMatchObject({
      result: 'failed',
      line: 3,
    });
    for (const words of [
      'validating /etc/shadow: (root) Additional property backup:*:20228 is not allowed',
      'failed to read .env: line 1: unexpected character "$" in variable name "root:secret"',
      '',
    ])
      expect((await compose(15, words)).why).toBe(
        'it refuses the project, for what is in other files too; run it on the host',
      );
    expect(await compose(1, 'docker: unknown command: docker compose')).toMatchObject({ result: 'unknown' });
  });

  test('is asked by one after the other', async () => {
    const v = host({ exec: never });
    const order: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const first = v.alone('/etc/nginx/a', async () => {
      await promise;
      order.push('first');
      throw new Error('failed');
    });
    const second = v.alone('/etc/nginx/b', async () => order.push('second'));
    await v.alone('/srv/compose.yml', async () => order.push('other'));
    resolve();
    await Promise.allSettled([first, second]);
    expect(order).toEqual(['other', 'first', 'second']);
  });
});

/** The real ones, on copies; nothing of this host's is touched. */
const real = (...binaries: Binary[]) => {
  const missing = binaries.filter((b) => findBinary(b) === null);
  if (missing.length > 0)
    process.stderr.write(`SKIPPED tests/host/validate.test.ts: ${missing.join(', ')} not installed.\n`);
  if (missing.length > 0 && process.env.CI === 'true') throw new Error(`CI must have ${missing.join(', ')}.`);
  return describe.skipIf(missing.length > 0);
};

/** A file outside with something in it that must not come back. */
const outside = fs.mkdtempSync(join(tmpdir(), 'deckhand-outside-'));
const SECRET = join(outside, 'secret');
fs.writeFileSync(SECRET, 'topsecretword:*:1:0:99999:7:::\n');
afterAll(() => fs.rmSync(outside, { recursive: true, force: true }));
const naive = (program: string, args: string[]) => {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return stdout + stderr;
};

real('visudo')('visudo', () => {
  test('parses what is proposed', async () => {
    expect(await ask('/etc/sudoers.d/app', 'app ALL=(root) NOPASSWD: /usr/bin/systemctl restart app\n')).toMatchObject({
      result: 'ok',
    });
    expect(await ask('/etc/sudoers', 'root ALL=(ALL) ALL\nfoo BAD BAD\n')).toMatchObject({
      by: 'visudo',
      result: 'failed',
      line: 2,
      why: 'syntax error',
    });
  });
  test('reads no other file, and says nothing of one (control: asked naively it prints it)', async () => {
    fs.writeFileSync(join(dir, 'sudoers'), `@include ${SECRET}\n`);
    expect(naive(findBinary('visudo') as string, ['-c', '-f', join(dir, 'sudoers')])).toContain('topsecretword');
    for (const include of [
      `@include ${SECRET}`,
      `#include ${SECRET}`,
      `  @include ${SECRET}`,
      `@include \\\n${SECRET}`,
      `@includedir ${outside}`,
    ])
      expect(JSON.stringify(await ask('/etc/sudoers', `${include}\nroot ALL=(ALL) ALL\n`)), include).not.toMatch(
        /topsecretword|secret/,
      );
  });
  test('there and not there sound the same', async () => {
    const [a, b] = [
      await ask('/etc/sudoers', `@include ${SECRET}\n`),
      await ask('/etc/sudoers', `@include ${SECRET}x\n`),
    ];
    expect(a).toEqual(b);
  });
});

real('sshd')('sshd -t', () => {
  test('parses what is proposed, without the host’s keys', async () => {
    expect(await ask('/etc/ssh/sshd_config', 'Port 22\nMatch User x\n  PasswordAuthentication no\n')).toMatchObject({
      by: 'sshd -t',
      result: 'ok',
    });
    expect(await ask('/etc/ssh/sshd_config', 'Port 22\nFooBar x\n')).toMatchObject({
      result: 'failed',
      line: 2,
      why: 'Bad configuration option: FooBar',
    });
    expect(await ask('/etc/ssh/sshd_config.d/x.conf', 'PermitRootLogin maybe\n')).toMatchObject({
      result: 'failed',
      line: 1,
    });
  });
  test('reads no other file, and says nothing of one (control: asked naively it prints it)', async () => {
    fs.writeFileSync(join(dir, 'sshd_config'), `Include ${SECRET}\n`);
    expect(naive(findBinary('sshd') as string, ['-t', '-f', join(dir, 'sshd_config')])).toContain('topsecretword');
    for (const line of [
      `Include ${SECRET}`,
      `include=${SECRET}`,
      `"Include" ${SECRET}`,
      `Match all\n  Include ${SECRET}`,
      `HostKey ${SECRET}`,
      `HostCertificate ${SECRET}`,
    ]) {
      const there = await ask('/etc/ssh/sshd_config', `${line}\n`);
      expect(JSON.stringify(there), line).not.toMatch(/topsecretword|secret/);
      expect(await ask('/etc/ssh/sshd_config', `${line}x\n`), line).toEqual(there);
    }
  });
});

real('named-checkconf')('named-checkconf', () => {
  test('parses what is proposed; what other parts define is not its failure', async () => {
    expect(
      await ask('/etc/bind/named.conf.options', 'options { directory "/var/cache/bind"; listen-on-v6 { any; }; };\n'),
    ).toMatchObject({ result: 'ok' });
    expect(await ask('/etc/bind/named.conf.local', 'zone "x" {\n type master;\n foo;\n};\n')).toMatchObject({
      result: 'failed',
      line: 3,
      why: "unknown option 'foo'",
    });
    expect(
      (
        await ask(
          '/etc/bind/named.conf.local',
          'zone "x" { type primary; file "y"; allow-transfer { key nokey; }; };\n',
        )
      )?.result,
    ).not.toBe('failed');
  });
  test('reads no other file, and says nothing of one (control: asked naively it prints it)', async () => {
    fs.writeFileSync(join(dir, 'named.conf'), `include "${SECRET}";\n`);
    expect(naive(findBinary('named-checkconf') as string, [join(dir, 'named.conf')])).toContain('topsecretword');
    for (const include of [
      `include "${SECRET}";`,
      `include ${SECRET};`,
      `include/*x*/"${SECRET}";`,
      `view "v" { include "${SECRET}"; };`,
      `/* */ include\n"${SECRET}";`,
      `options { directory "${SECRET}"; };`,
    ]) {
      const there = await ask('/etc/bind/named.conf', `${include}\n`);
      expect(JSON.stringify(there), include).not.toMatch(/topsecretword|secret/);
    }
  });
});

real('systemd-analyze')('systemd-analyze verify', () => {
  test('parses what is proposed', async () => {
    expect(await ask('/etc/systemd/system/deckhand-a.service', '[Service]\nExecStart=/nonexistent/x\n')).toMatchObject({
      result: 'ok',
    });
    expect(await ask('/etc/systemd/system/deckhand-a@.service', '[Service]\nExecStart=/bin/true %i\n')).toMatchObject({
      result: 'ok',
    });
    expect(
      await ask('/etc/systemd/system/deckhand-a.service', '[Service]\nExecStart=/bin/true\nFoo=1\n'),
    ).toMatchObject({ result: 'failed', line: 3 });
    expect(await ask('/etc/systemd/system/deckhand-a.service', '[Service\n')).toMatchObject({
      result: 'failed',
      line: 1,
    });
    expect(await ask('/etc/systemd/system/deckhand-a.timer', '[Timer]\nOnCalendar=nonsense\n')).toMatchObject({
      result: 'failed',
      line: 2,
    });
  });
  test('does not tell which programs are there, and starts none', async () => {
    const marker = join(dir, 'ran');
    const unit = (path: string) =>
      `[Unit]\nDocumentation=man:touch(1)\n[Service]\nExecStartPre=/usr/bin/touch ${marker}\nExecStart=${path}\n`;
    const [a, b] = [
      await ask('/etc/systemd/system/deckhand-a.service', unit('/bin/sh')),
      await ask('/etc/systemd/system/deckhand-a.service', unit('/root/nothere')),
    ];
    expect(a).toEqual(b);
    expect(fs.existsSync(marker)).toBe(false);
  });
});

real('nginx')('nginx -t', () => {
  const nginx = (conf: string) => {
    fs.mkdirSync(join(dir, 'conf.d'));
    fs.mkdirSync(join(dir, 'logs'));
    fs.writeFileSync(join(dir, 'conf.d', 'a.conf'), conf);
    fs.writeFileSync(
      join(dir, 'nginx.conf'),
      `pid ${dir}/pid;\nerror_log ${dir}/logs/error.log;\nevents {}\nhttp { access_log off; include ${dir}/conf.d/*.conf; }\n`,
    );
    return host({ nginxFolder: dir });
  };
  const said = async (conf: string, file = 'conf.d/a.conf') => {
    return nginx(conf).inPlace(join(dir, file));
  };
  test('tells what is wrong in the file, and nothing of others', async () => {
    const v = await said(`server { listen 127.0.0.1:8099; }\nfoo bar;\n`);
    expect(v).toMatchObject({ result: 'failed', line: 2, why: 'unknown directive "foo"' });
  });
  test('says nothing of a file that it includes', async () => {
    const v = await said(`include ${SECRET};\n`);
    expect(v.result).toBe('failed');
    expect(JSON.stringify(v)).not.toContain('topsecretword');
  });
  test('is ok where nginx reads the file', async () => {
    expect(await said('server { listen 127.0.0.1:8099; }\n')).toMatchObject({ result: 'ok' });
  });
  test('is unknown where nothing includes it', async () => {
    fs.writeFileSync(join(dir, 'x.conf'), '');
    expect(await said('server { listen 127.0.0.1:8099; }\n', 'x.conf')).toMatchObject({
      result: 'unknown',
      why: expect.stringMatching(/nothing includes/),
    });
  });
});

const lab = process.env.DECKHAND_REAL === '1' && process.geteuid?.() === 0;
if (!lab) process.stderr.write('SKIPPED tests/host/validate.test.ts, compose: needs DECKHAND_REAL=1 and root.\n');
describe.skipIf(!lab)('docker compose config', () => {
  test('the real plugin: what is wrong in the file is told, and nothing of others', async () => {
    await rootfs();
    const plugin = join(kept(), 'usr/libexec/docker/cli-plugins/docker-compose');
    // As docker hands it on.
    const v = host({ exec: ({ args, ...r }) => execPath(plugin, { ...r, args: args.slice(1) }) });
    const path = join(dir, 'compose.yml');
    const said = (text: string) => {
      fs.writeFileSync(path, text);
      return v.inPlace(path);
    };
    expect(await said('services: {a: {image: x}}\n')).toMatchObject({ result: 'ok' });
    expect(await said('services: {a: {image: x, foo: 1}}\n')).toMatchObject({
      result: 'failed',
      why: 'services.a Additional property foo is not allowed',
    });
    for (const text of [
      `include: [${SECRET}]\nservices: {a: {image: x}}\n`,
      `services: {a: {image: x, env_file: ${SECRET}}}\n`,
      `services: {a: {extends: {file: ${SECRET}, service: x}}}\n`,
    ])
      expect(JSON.stringify(await said(text)), text).not.toMatch(/topsecretword/);
    fs.writeFileSync(path, `include: [${SECRET}]\nservices: {a: {image: x}}\n`);
    expect(naive(plugin, ['-f', path, 'config'])).toContain('topsecretword');
  }, 400_000);
});
