/**
 * lxc/create.sh against stand-ins for the tools of a Proxmox VE node that refuse what the real ones refuse: which calls it makes, that bad
 * values are refused before any of them, and that a run that failed leaves nothing behind. A real container: lxc_real.test.ts.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { arch, type Node, node, script, template } from './pve/node.ts';

const machine = (): Node => {
  const n = node();
  onTestFinished(() => n[Symbol.dispose]());
  return n;
};
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@laptop';
const noShellcheck = spawnSync('shellcheck', ['--version']).status !== 0;
const noTun = !existsSync('/dev/net/tun');
const golden = (name: string) => join(import.meta.dirname, '../golden/lxc', `${name}.txt`);

test.skipIf(noShellcheck)('create.sh and the stand-in pass shellcheck', () => {
  const files = [script, join(import.meta.dirname, 'pve/stub.sh')];
  const { status, stdout } = spawnSync('shellcheck', files, { encoding: 'utf8' });
  expect(`${status}${stdout}`).toBe('0');
  expect(statSync(script).mode & 0o111).not.toBe(0);
});

describe('calls', () => {
  test('as it is: the documented ones, the release and nothing else in the container, a token and the lines for a client', async () => {
    const n = machine();
    const { code, out, err } = await n.run();
    expect(`${code}${err}`).toBe('0');
    await expect(`${n.calls().join('\n')}\n`).toMatchFileSnapshot(golden('default'));
    expect(n.guests()).toEqual(['102']);
    expect(out).toContain('claude mcp add deckhand -- ssh root@pve pct exec 102 -- /usr/local/bin/deckhand stdio');
    expect(out).toContain('http://127.0.0.1:7070/mcp --header "Authorization: Bearer dh_made_by_the_stub"');
    expect(spawnSync('ls', [join(n.dir, 'guests/102/root')], { encoding: 'utf8' }).stdout).toBe('');
  });

  test.skipIf(noTun)('every setting', async () => {
    const n = machine();
    n.set('templates', '');
    const { code, out, err } = await n.run(['--from', n.release, '--sha256', n.sha256.toUpperCase()], {
      ...{ var_ctid: '205', var_hostname: 'ops.example.org', var_version: '12', var_cpu: '2', var_ram: '1024' },
      ...{ var_swap: '0', var_disk: '8', var_storage: 'tank', var_template_storage: 'local', var_bridge: 'vmbr1' },
      ...{
        var_vlan: '42',
        var_net: '192.0.2.10/24',
        var_gateway: '192.0.2.1',
        var_net6: 'auto',
        var_dns: '192.0.2.53',
      },
      ...{ var_unprivileged: '0', var_nesting: '1', var_onboot: '0', var_protection: '1', var_tun: 'yes' },
      ...{
        var_docker: 'yes',
        var_ssh_key: KEY,
        var_password: 'two words $(touch x)',
        var_tags: 'ops;mcp',
        var_pool: 'lab',
      },
      ...{ var_allow: 'ping write=/srv/www', var_token: 'laptop', var_role: 'operator' },
    });
    expect(code, err).toBe(0);
    await expect(`${n.calls().join('\n')}\n`).toMatchFileSnapshot(golden('every'));
    expect(err).toContain('Careful: in a privileged container root is the root of the node');
    expect(err).toContain('Careful: Docker in a container needs keyctl');
    expect(n.has('guests/205/keys').trim()).toBe(KEY);
    expect(n.has('guests/205/password')).toBe('root:two words $(touch x)\n');
    expect(out).toContain('claude mcp add ops.example.org -- ssh root@192.0.2.50 deckhand stdio');
    // Neither an argument nor in the environment of anything that was started.
    expect(n.has('calls') + n.has('environment.values')).not.toContain('two words');
  });

  test('nothing of this shell reaches the container: pct would hand it on', async () => {
    const n = machine();
    await n.run([], { SECRET_OF_THE_NODE: 'x', var_password: 'longenough' });
    const told = n.has('environment').split('\n');
    expect(told, 'it does reach what runs on the node').toContain('pct create SECRET_OF_THE_NODE');
    expect(told).toContain('pct exec PATH');
    expect(told).not.toContain('pct exec SECRET_OF_THE_NODE');
  });

  test('an older node: the lines of before, in place of dev0', async () => {
    const n = machine();
    n.set('version', '8.0.4');
    const { code, err } = await n.run([], { var_tun: 'yes' });
    if (noTun) return void expect(err).toContain('There is no /dev/net/tun on this node');
    expect(code, err).toBe(0);
    expect(n.calls().join('\n')).not.toContain('dev0');
    expect(n.has('etc/lxc/102.conf')).toBe(
      'lxc.cgroup2.devices.allow: c 10:200 rwm\nlxc.mount.entry: /dev/net/tun dev/net/tun none bind,create=file\n',
    );
  });

  test('--dry-run changes nothing, and says what it would run', async () => {
    const n = machine();
    n.set('templates', '');
    const { code, out } = await n.run(['--dry-run'], {
      var_docker: 'yes',
      var_password: 'longenough',
      var_allow: 'docker',
    });
    expect(code).toBe(0);
    expect(n.changes()).toEqual([]);
    expect(n.guests()).toEqual([]);
    for (const line of [
      `would run: pveam download local ${template('13')}`,
      `would run: pct create 102 local:vztmpl/${template('13')} --hostname deckhand`,
      'nesting=1\\,keyctl=1',
      'would run: pct start 102',
      'would run: pct exec … chpasswd',
      'would run: pct exec 102 -- sh /root/deckhand-install.sh --from',
      '--allow docker',
      'Nothing was changed.',
    ])
      expect(out).toContain(line);
    expect(out).not.toContain('longenough');
  });

  test('--update moves the Deckhand of a container that runs, and makes none', async () => {
    const n = machine();
    expect((await n.run()).code).toBe(0);
    n.set('calls', '');
    const { code, out, err } = await n.run(['--update', '102']);
    expect(code, err).toBe(0);
    expect(out).toContain('Deckhand in 102 is 0.1.0.');
    await expect(`${n.calls().join('\n')}\n`).toMatchFileSnapshot(golden('update'));
    expect(n.has('guests/102/upgraded')).toBe('');
    expect(existsSync(join(n.dir, 'guests/102/upgraded'))).toBe(true);

    n.set('fail', 'service upgrade');
    const failed = await n.run(['--update', '102']);
    expect(failed.code).toBe(1);
    expect(failed.err).toContain('The version before is still there');
    expect(n.guests()).toEqual(['102']);
    expect((await n.run(['--update', '300'])).code).toBe(4);
  });

  test('a second run makes a second container; the same number is refused and names the way to update', async () => {
    const n = machine();
    await n.run();
    expect((await n.run()).code).toBe(0);
    const again = await n.run([], { var_ctid: '102' });
    expect(again.code).toBe(5);
    expect(again.err).toContain('The number 102 is taken');
    expect(again.err).toContain('var_ctid=104 is free; a Deckhand in 102 is moved to this release by --update 102');
    // Of another node of the cluster, of which pct here knows nothing.
    expect((await n.run([], { var_ctid: '101' })).code).toBe(5);
    expect(n.guests()).toEqual(['102', '103']);
  });

  test('the list of templates is fetched where it has none; a storage that is not local is found', async () => {
    const n = machine();
    n.set('templates', '');
    n.set('offered', 'alpine-3.22-default_20250617_amd64.tar.xz\n');
    n.set('update', `${template('13')}\n`);
    n.set('storages', 'ceph rbd active rootdir images\nshare nfs active vztmpl\n');
    const { code, err } = await n.run();
    expect(code, err).toBe(0);
    const calls = n.calls().join('\n');
    expect(calls).toContain('pveam update');
    expect(calls).toMatch(/pveam download share debian-13/);
    expect(calls).toMatch(/--rootfs ceph:4/);
  });
});

describe('refused before anything is done', () => {
  const BAD: [string, Record<string, string>, RegExp][] = [
    ['a number too small', { var_ctid: '99' }, /var_ctid is a number from 100/],
    ['no number', { var_ctid: '1e3' }, /var_ctid is a number/],
    ['octal', { var_ctid: '0123' }, /var_ctid is a number/],
    ['arithmetic', { var_cpu: 'a[$(touch owned)]' }, /var_cpu is a number/],
    ['an option for a name', { var_hostname: '--force' }, /var_hostname is the name of a host/],
    ['a second line', { var_hostname: 'good\nbad;' }, /var_hostname is the name of a host/],
    ['a long label', { var_hostname: 'a'.repeat(64) }, /var_hostname/],
    ['an empty name', { var_hostname: '' }, /var_hostname/],
    ['another system', { var_os: 'ubuntu' }, /var_os is debian/],
    ['another version', { var_version: '11' }, /var_version is 12 or 13/],
    ['no core', { var_cpu: '0' }, /var_cpu/],
    ['too little memory', { var_ram: '64' }, /var_ram is a number from 256/],
    ['a disk too large', { var_disk: '99999' }, /var_disk/],
    ['a disk of its own', { var_disk: '4,mountoptions=x' }, /var_disk/],
    ['more net options', { var_bridge: 'vmbr0,tag=5' }, /var_bridge/],
    ['a bridge that is not there', { var_bridge: 'vmbr9' }, /no bridge vmbr9/],
    ['a VLAN', { var_vlan: '4095' }, /var_vlan/],
    ['an address without prefix', { var_net: '192.0.2.10' }, /var_net is dhcp/],
    ['no address', { var_net: '192.0.2.300/24', var_gateway: '192.0.2.1' }, /var_net is dhcp/],
    ['no gateway', { var_net: '192.0.2.10/24' }, /var_gateway is missing/],
    ['a gateway outside', { var_net: '192.0.2.10/24', var_gateway: '192.0.3.1' }, /outside of 192.0.2.10/],
    ['itself as gateway', { var_net: '192.0.2.10/24', var_gateway: '192.0.2.10' }, /address of the container itself/],
    ['a gateway with dhcp', { var_gateway: '192.0.2.1' }, /var_gateway is for an address of its own/],
    ['nesting off', { var_nesting: '0' }, /226\/NAMESPACE/],
    ['neither yes nor no', { var_docker: 'true' }, /var_docker is yes or no/],
    ['neither 0 nor 1', { var_unprivileged: 'yes' }, /var_unprivileged is 0 or 1/],
    ['tags', { var_tags: 'a b' }, /var_tags/],
    ['a short password', { var_password: 'abc' }, /var_password is of 5/],
    ['a password of two lines', { var_password: 'longenough\nroot2:x' }, /var_password is of 5/],
    ['a power that is none', { var_allow: 'root' }, /no power root[\s\S]*It has: docker ping signals write/],
    ['a power with more in it', { var_allow: 'write=/srv;x' }, /var_allow/],
    ['a role', { var_role: 'root' }, /var_role/],
    ['a token', { var_token: '-x' }, /var_token/],
    ['a private key', { var_ssh_key: 'PRIVATE' }, /is a private key/],
    ['no key', { var_ssh_key: 'ssh-ed25519 AAAA' }, /var_ssh_key/],
    ['a storage that is not there', { var_storage: 'nope' }, /no active storage for rootdir[\s\S]*local-lvm tank/],
    ['a storage without that content', { var_storage: 'local' }, /no active storage for rootdir/],
    ['a storage that is down', { var_template_storage: 'nas' }, /no active storage for vztmpl/],
    ['a slip in a name', { var_gatway: '192.0.2.1' }, /no setting var_gatway/],
  ];
  test.concurrent.each(BAD)('%s', async (_, settings, said) => {
    using n = node();
    writeFileSync(join(n.dir, 'PRIVATE'), '-----BEGIN OPENSSH PRIVATE KEY-----\n');
    const { code, err } = await n.run([], settings);
    expect(err).toMatch(said);
    expect(code).toBe(2);
    expect(n.changes()).toEqual([]);
    expect(n.guests()).toEqual([]);
    expect(existsSync(join(n.dir, 'owned'))).toBe(false);
  });

  test('an argument, an option without its value; --help changes nothing', async () => {
    const n = machine();
    expect((await n.run(['102'])).code).toBe(2);
    expect((await n.run(['--from'])).err).toContain('--from needs a value');
    expect((await n.run(['--from', ''])).code).toBe(2);
    const help = await n.run(['--help']);
    expect(help.code).toBe(0);
    for (const setting of known()) expect(help.out).toContain(`var_${setting}=`);
    expect(n.calls()).toEqual([]);
  });

  test('a release that is changed, not named, without a checksum, or of another machine', async () => {
    const n = machine();
    const other = join(n.dir, `deckhand-0.1.0-linux-${arch === 'x64' ? 'arm64' : 'x64'}.tar.gz`);
    expect((await n.run(['--from', other])).err).toContain('--from is a file deckhand-VERSION-linux-');
    expect((await n.run(['--from', 'nope.tar.gz'])).code).toBe(2);
    expect((await n.run(['--sha256', 'abc'])).err).toContain('64 hex digits');
    expect((await n.run(['--sha256', '0'.repeat(64)])).err).toContain('is not what was released');
    writeFileSync(n.release, Buffer.concat([readFileSync(n.release), Buffer.from('x')]));
    expect((await n.run()).err).toContain('is not what was released');
    n.set('SHA256SUMS', '');
    expect((await n.run()).err).toContain('Nothing says what the checksum');
    writeFileSync(n.release, 'no tarball');
    const sum = createHash('sha256').update('no tarball').digest('hex');
    expect((await n.run(['--sha256', sum])).err).toContain('cannot be read as a tarball');
    writeFileSync(join(n.dir, `deckhand-0.2.0-linux-${arch}.tar.gz`), '');
    expect((await n.run()).err).toContain('Which release? 2 files');
    expect(n.changes()).toEqual([]);
  });

  test('not root, no Proxmox VE, one that is too old, no template', async () => {
    const n = machine();
    n.set('uid', '1000\n');
    expect(await n.run()).toMatchObject({ code: 3 });
    n.set('uid', '0\n');
    n.set('version', '7.4.1');
    expect((await n.run()).err).toContain('Proxmox VE 7.4 is too old');
    n.set('version', '9.1.2');
    n.set('templates', '');
    n.set('offered', '');
    expect((await n.run()).err).toContain('There is no template of Debian 13');
    const bare = spawnSync('bash', [script], {
      cwd: n.dir,
      env: { PATH: '/usr/bin:/bin', HOME: n.dir },
      encoding: 'utf8',
    });
    expect([3, 7]).toContain(bare.status);
    expect(n.changes().filter((c) => c !== 'pveam update')).toEqual([]);
  });

  test('a name that is a command is refused; a script that builds a line of it runs it (control)', async () => {
    const n = machine();
    const attack = `x; touch ${n.dir}/owned`;
    const naive = join(n.dir, 'naive.sh');
    // As scripts do that collect their options in a text.
    writeFileSync(naive, `eval "pct create 102 local:vztmpl/${template('13')} --hostname $var_hostname"`);
    for (const [name, value] of [
      ['var_hostname', attack],
      ['var_hostname', `$(touch ${n.dir}/owned)`],
      ['var_tags', `a\`touch ${n.dir}/owned\``],
      ['var_storage', `$(touch ${n.dir}/owned)`],
      ['var_net', `dhcp$(touch ${n.dir}/owned)`],
      ['var_ssh_key', `$(touch ${n.dir}/owned)`],
      ['var_token', attack],
    ] as const) {
      expect(await n.run([], { [name]: value }), name).toMatchObject({ code: 2 });
      expect(existsSync(join(n.dir, 'owned')), name).toBe(false);
    }
    expect(n.calls()).toEqual([]);
    await n.run([], { var_hostname: attack }, naive);
    expect(existsSync(join(n.dir, 'owned'))).toBe(true);
  });
});

describe('a step that fails', () => {
  const STEPS: [string, RegExp, number][] = [
    ['pveam download', /The template could not be fetched/, 7],
    ['pct create', /pct create failed/, 1],
    ['pct set', /could not be handed in/, 1],
    ['pct start', /does not start/, 1],
    ['pct exec .* chpasswd', /password was not taken/, 1],
    ['apt-get', /Docker could not be installed/, 1],
    ['pct push .*tar.gz ', /release could not be copied/, 1],
    ['pct push .*install.sh /root', /install.sh could not be copied/, 1],
    ['sh /root/deckhand-install.sh --from', /install.sh failed/, 1],
  ];
  const all = { var_tun: noTun ? 'no' : 'yes', var_docker: 'yes', var_password: 'longenough' };
  test.concurrent.each(STEPS.filter(([step]) => !noTun || step !== 'pct set'))(
    '%s: said, and what this run made is gone',
    async (step, said, exit) => {
      using n = node();
      n.set('templates', '');
      n.set('fail', step);
      const { code, err } = await n.run([], all);
      expect(err).toMatch(said);
      expect(code).toBe(exit);
      expect(n.guests()).toEqual([]);
      expect(n.calls().some((c) => c.startsWith('pct destroy'))).toBe(!/download|create/.test(step));
      if (step !== 'pveam download')
        expect(err).toMatch(/The template that was fetched stays.*pveam remove local:vztmpl/);
    },
  );

  test('the token alone: the container stays, and the command is said', async () => {
    const n = machine();
    n.set('fail', 'token add');
    const { code, err, out } = await n.run();
    expect(code).toBe(0);
    expect(err).toContain('pct exec 102 -- /usr/local/bin/deckhand token add first --role viewer');
    expect(out).toContain('Bearer TOKEN');
    expect(n.guests()).toEqual(['102']);
  });

  test('no address: told, and installed all the same', async () => {
    const n = machine();
    n.set('fail', 'hostname -I');
    const { code, err } = await n.run();
    expect(code).toBe(0);
    expect(err).toContain('the container has no address: is there DHCP on vmbr0?');
    expect(existsSync(join(n.dir, 'guests/102/installed'))).toBe(true);
  }, 180_000);

  test('systemd does not come up: said, and the container is gone', async () => {
    const n = machine();
    n.set('systemd', 'starting\n');
    const stuck = await n.run();
    expect(stuck.code).toBe(8);
    expect(stuck.err).toContain('has not come up within 90 seconds');
    expect(n.guests()).toEqual([]);
  }, 180_000);

  test('--keep leaves it; a removal that fails says what is still there', async () => {
    const n = machine();
    n.set('fail', 'deckhand-install.sh');
    const kept = await n.run(['--keep']);
    expect(kept.code).toBe(1);
    expect(kept.err).toContain('The container 102 stays, as --keep says');
    expect(n.guests()).toEqual(['102']);
    n.set('fail', 'deckhand-install.sh --from|pct destroy');
    const both = await n.run();
    expect(both.err).toContain('It is still there: pct destroy 103 --force 1 --purge 1');
  });

  test('somebody else’s container of the same number is never removed', async () => {
    const n = machine();
    n.set('hang', '^pct create');
    const { ended } = n.begin([], { var_ctid: '300' });
    await vi.waitFor(() => expect(existsSync(join(n.dir, 'hangs'))).toBe(true), 20_000);
    spawnSync('mkdir', ['-p', join(n.dir, 'guests/300')]);
    writeFileSync(join(n.dir, 'guests/300/status'), 'running\n');
    spawnSync('rm', [join(n.dir, 'hang')]);
    const { code, err } = await ended;
    expect(code).toBe(1);
    expect(err).toContain("CT 300 already exists on node 'pve'");
    expect(n.guests()).toEqual(['300']);
    expect(n.calls().join('\n')).not.toContain('destroy');
  });

  test('broken off in the middle: what was made goes', async () => {
    const n = machine();
    n.set('hang', 'deckhand-install.sh --from');
    const { child, ended } = n.begin([]);
    await vi.waitFor(() => expect(existsSync(join(n.dir, 'hangs'))).toBe(true), 20_000);
    child.kill('SIGTERM');
    // bash takes the signal when the call that is under way has ended.
    spawnSync('rm', [join(n.dir, 'hang')]);
    expect((await ended).code).toBe(143);
    expect(n.guests()).toEqual([]);
  });
});

const known = () => (/^known=' (.*) '$/m.exec(readFileSync(script, 'utf8'))?.[1] ?? '').split(' ');

test('README and --help list the same settings', () => {
  const readme = readFileSync(join(script, '../README.md'), 'utf8');
  const told = new Set([...readme.matchAll(/`var_(\w+)/g)].map((m) => m[1]));
  expect([...told].sort()).toEqual([...known()].sort());
});
