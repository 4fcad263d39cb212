/**
 * deckhand.service, its socket and its drop-ins under a real systemd 257: readiness, hardening, watchdog, restarts under a client, each
 * power with and without its drop-in, credentials, and what a template of LXC takes back. Loud when it is skipped.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../docker/engine.ts';
import { bootSystemd, lacking, type Systemd } from '../services/systemd.ts';
import { lackingForLayout, layOut } from './layout.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? [...lacking(), ...lackingForLayout()] : [];
if (!real)
  process.stderr.write('SKIPPED tests/shipping/unit_real: needs DECKHAND_REAL=1, root, systemd-nspawn and a build.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

const NODE = '/opt/deckhand/current/node/bin/node';
const CONFIG = `mode: full
toolsets: [all]
http: {requestsPerMinutePerAddress: 1000000}
limits: {callsPerMinute: 1000000}
net: {allow: [127.0.0.0/8]}
files: {roots: [{path: /etc}, {path: /srv/site, access: write}]}
`;
/** busybox is the only ping of this root file system; the host may have opened ICMP to everybody, which would prove nothing. */
const INSTALL = `set -e
cp -a /share/root/opt/deckhand /opt/deckhand
ln -sf /opt/deckhand/current/bin/deckhand /usr/local/bin/deckhand
cd /opt/deckhand/current/deploy/systemd
install -m 644 deckhand.service deckhand.socket /etc/systemd/system/
install -m 644 -D deckhand.sysusers /etc/sysusers.d/deckhand.conf
install -m 644 -D deckhand.tmpfiles /etc/tmpfiles.d/deckhand.conf
systemd-sysusers
systemd-tmpfiles --create deckhand.conf
cat >/etc/deckhand/config.yaml <<'END'
${CONFIG}END
install -d -o deckhand -g deckhand /srv/site
ln -sf "$(command -v busybox)" /usr/bin/ping
sysctl -qw net.ipv4.ping_group_range='1 0'
systemctl stop docker.socket docker.service 2>/dev/null || true
systemctl daemon-reload
systemctl enable --now deckhand.socket deckhand.service
`;

describe.skipIf(!real)('deckhand.service', () => {
  let lab: Systemd;
  let token = '';
  const show = async (property: string, unit = 'deckhand.service') =>
    (await lab.run(['systemctl', 'show', '-P', property, unit])).out.trim();
  const ask = async (tool: string, args: object = {}) =>
    JSON.parse((await lab.run([NODE, '/share/ask.mjs', token, tool, JSON.stringify(args)])).out);
  const active = () => until('the service is active', async () => (await show('ActiveState')) === 'active', 30_000);
  const restart = () =>
    lab.script('systemctl daemon-reload\nsystemctl reset-failed\nsystemctl restart deckhand', { ms: 60_000 });
  const dropIn = (name: string, text: string) =>
    lab.script(`install -d /etc/systemd/system/deckhand.service.d
cat >/etc/systemd/system/deckhand.service.d/${name} <<'END'
${text}
END`);
  const without = (name: string) => lab.script(`rm -f /etc/systemd/system/deckhand.service.d/${name}`);
  const power = (name: string) =>
    lab.script(`install -d /etc/systemd/system/deckhand.service.d
sed 's,@PATH@,/srv/site,g' /opt/deckhand/current/deploy/systemd/powers/${name}.conf >/etc/systemd/system/deckhand.service.d/50-${name}.conf`);
  const journal = async () =>
    (await lab.run(['journalctl', '-u', 'deckhand', '-o', 'cat', '-n', '60', '--no-pager'])).out;

  beforeAll(async () => {
    lab = await bootSystemd();
    layOut(join(lab.share, 'root'));
    for (const file of ['caller.mjs', 'ask.mjs'])
      copyFileSync(fileURLToPath(new URL(file, import.meta.url)), join(lab.share, file));
    await lab.script(INSTALL, { ms: 60_000 });
    const made = await lab.run(['/usr/local/bin/deckhand', 'token', 'add', 'test', '--role', 'operator']);
    token = /dh_[A-Za-z0-9_-]{43}/.exec(made.out + made.err)?.[0] ?? '';
  }, 400_000);

  afterAll(async () => {
    await lab?.close();
    expect(lab?.left() ?? []).toEqual([]);
  }, 30_000);

  test('is ready when it listens, as its user and without any power', async () => {
    expect(await show('ActiveState')).toBe('active');
    expect(await show('StatusText')).toBe('Listening on http://127.0.0.1:7070/mcp, mode full');
    expect(token).not.toBe('');
    expect(await ask('system_overview')).toMatchObject({ host: expect.anything() });
    const status = await lab.script(`cat /proc/${await show('MainPID')}/status`);
    expect(status.out).toMatch(/^CapEff:\s+0{16}$/m);
    expect(status.out).toMatch(/^NoNewPrivs:\s+1$/m);
    // What was passed is one descriptor of ours; no child has it.
    const fds = await lab.script(
      `for p in $(cat /sys/fs/cgroup/*/system.slice/deckhand.service/cgroup.procs 2>/dev/null | sort -u); do [ $p = ${await show('MainPID')} ] || ls -l /proc/$p/fd 2>/dev/null; done; true`,
    );
    expect(fds.out).not.toMatch(/ 3 -> socket/);
  });

  test('its exposure is 2.0 at most, and each drop-in scores what it says', async () => {
    const score = async () => {
      const { out } = await lab.run(['systemd-analyze', 'security', '--no-pager', 'deckhand.service']);
      return Number(/exposure level for deckhand.service: ([\d.]+)/.exec(out)?.[1]);
    };
    const alone = await score();
    expect(alone).toBeLessThanOrEqual(2);
    for (const name of ['ping', 'docker', 'signals', 'all-processes', 'write']) {
      await power(name);
      const { out } = await lab.script(
        `systemctl daemon-reload; sed -n 's/^# Exposure: //p' /etc/systemd/system/deckhand.service.d/50-${name}.conf`,
      );
      expect(
        `${(await score()).toFixed(1)} (the unit alone: ${alone.toFixed(1)}), by systemd-analyze security.`,
        name,
      ).toBe(out.trim());
      await without(`50-${name}.conf`);
    }
    await lab.run(['systemctl', 'daemon-reload']);
  }, 60_000);

  test('restarted under a client on kept-alive connections: not one error; the control: without the socket unit, some', async () => {
    const round = async (times: number) => {
      const { out } = await lab.script(
        `${NODE} /share/caller.mjs http://127.0.0.1:7070/mcp ${token} 20 20 >/share/calls & C=$!
sleep 0.5
for i in $(seq ${times}); do systemctl restart deckhand; sleep 0.5; done
kill -TERM $C; wait $C; cat /share/calls`,
        { ms: 120_000 },
      );
      return JSON.parse(out.trim().split('\n').at(-1) as string) as { calls: number; answered: number; errors: object };
    };
    const with_ = await round(3);
    expect(with_.errors, await journal()).toEqual({});
    expect(with_.answered).toBe(with_.calls);
    expect(with_.calls).toBeGreaterThan(20);
    await lab.script('systemctl stop deckhand.socket deckhand.service\nsystemctl start deckhand.service', {
      mayFail: true,
    });
    await active();
    expect((await lab.run(['systemctl', 'is-active', 'deckhand.socket'], { mayFail: true })).out.trim()).toBe(
      'inactive',
    );
    const alone = await round(2);
    expect(Object.keys(alone.errors).length).toBeGreaterThan(0);
    await lab.script('systemctl stop deckhand.service\nsystemctl start deckhand.socket deckhand.service');
  }, 150_000);

  test('a call starts a service that was stopped', async () => {
    await lab.run(['systemctl', 'stop', 'deckhand.service']);
    expect(await show('ActiveState')).toBe('inactive');
    expect(await ask('system_overview')).toMatchObject({ host: expect.anything() });
    expect(await show('ActiveState')).toBe('active');
  });

  test('a hung process is replaced by the watchdog: stopped, and with its loop blocked', async () => {
    await dropIn('60-watchdog.conf', '[Service]\nWatchdogSec=6\nRestartSec=100ms');
    await restart();
    const fed = await show('WatchdogTimestampMonotonic');
    await until('it is fed', async () => (await show('WatchdogTimestampMonotonic')) !== fed, 30_000);
    const block = `const [{webSocketDebuggerUrl: url}] = await (await fetch('http://127.0.0.1:9229/json/list')).json();
const ws = new WebSocket(url);
ws.onopen = () => ws.send(JSON.stringify({id: 1, method: 'Runtime.evaluate', params: {expression: 'while (true) {}'}}));
setTimeout(() => process.exit(0), 1000);`;
    const hangs: [string, (pid: string) => Promise<unknown>][] = [
      ['stopped', (pid) => lab.run(['kill', '-STOP', pid])],
      [
        'blocked',
        (pid) =>
          lab.script(`kill -USR1 ${pid}
for i in $(seq 50); do (echo >/dev/tcp/127.0.0.1/9229) 2>/dev/null && break; sleep 0.1; done
cat >/tmp/block.mjs <<'END'
${block}
END
${NODE} /tmp/block.mjs`),
      ],
    ];
    for (const [name, hang] of hangs) {
      const pid = await show('MainPID');
      await hang(pid);
      await until(
        `another one stands in for the ${name} one`,
        async () => {
          const now = await show('MainPID');
          return now !== pid && now !== '0' && (await show('ActiveState')) === 'active';
        },
        45_000,
      );
    }
    expect(Number(await show('NRestarts'))).toBe(2);
    expect(await journal()).toMatch(/Watchdog timeout/);
    await without('60-watchdog.conf');
  }, 150_000);

  test('each power works with its drop-in, and not without', async () => {
    const victim = async () => {
      await lab.script('systemd-run -q --unit=victim -p User=nobody -p CollectMode=inactive-or-failed sleep 1000');
      const pid = Number(await show('MainPID', 'victim.service'));
      const { processes } = await ask('process_list', { parent: pid, limit: 1 });
      const [{ start, name }] = processes;
      const said = JSON.stringify(await ask('process_signal', { pid, start, name }));
      await lab.run(['systemctl', 'stop', 'victim'], { mayFail: true });
      return said;
    };
    const engine = `import {createServer} from 'node:http';
createServer((q, r) => { r.setHeader('api-version', '1.45'); r.setHeader('content-type', 'application/json');
  r.end(q.url.includes('json') ? '[]' : '{"ApiVersion":"1.45","MinAPIVersion":"1.24","Version":"26.1.5"}'); }).listen('/run/docker.sock');`;
    await lab.script(`rm -f /run/docker.sock
cat >/root/engine.mjs <<'END'
${engine}
END
systemd-run -q --unit=engine ${NODE} /root/engine.mjs
for i in $(seq 50); do [ -S /run/docker.sock ] && break; sleep 0.1; done
chgrp docker /run/docker.sock; chmod 660 /run/docker.sock`);
    const works: Record<string, { try(): Promise<string>; yes: RegExp; no: RegExp }> = {
      ping: {
        try: async () => JSON.stringify(await ask('net_probe', { kind: 'ping', targets: ['127.0.0.1'], count: 1 })),
        yes: /"by":"(?!tcp)/,
        no: /cap_net_raw/,
      },
      docker: {
        try: async () => JSON.stringify(await ask('container_list')),
        yes: /"containers":\[\]/,
        no: /permission|may not|not offered|unavailable|away/i,
      },
      signals: { try: victim, yes: /"verdict":"ended|ended/, no: /EPERM|belongs to/ },
      'all-processes': {
        try: async () => JSON.stringify(await ask('process_list', { by: 'io', name: 'systemd-journal', limit: 1 })),
        yes: /"readBytesPerSecond":\d/,
        no: /"readBytesPerSecond":null/,
      },
      write: {
        try: async () => JSON.stringify(await ask('file_write', { path: `/srv/site/f${Math.random()}`, content: 'x' })),
        yes: /sha256/i,
        no: /read-only|EROFS/i,
      },
    };
    await restart();
    for (const [name, { try: attempt, no, yes }] of Object.entries(works)) {
      const said = await attempt();
      expect(said, `${name} without its drop-in`).toMatch(no);
      expect(said, `${name} without its drop-in`).not.toMatch(yes);
    }
    // Together, for a start takes its time: none of them gives what another is asked for.
    for (const name of Object.keys(works)) await power(name);
    await restart();
    for (const [name, { try: attempt, yes }] of Object.entries(works))
      expect(await attempt(), `${name} with its drop-in`).toMatch(yes);
    const doctor = await lab.run(['/usr/local/bin/deckhand', 'doctor', '--json'], { mayFail: true });
    const given = (JSON.parse(doctor.out) as { code: string; text: string }[]).find((c) => c.code === 'unit.given');
    for (const name of [...Object.keys(works).filter((n) => n !== 'write'), 'write=/srv/site'])
      expect(given?.text).toContain(name);
    await lab.script('rm /etc/systemd/system/deckhand.service.d/50-*.conf');
    await lab.run(['systemctl', 'stop', 'engine']);
  }, 150_000);

  test('credentials arrive, and the audit’s key lies in no folder of ours', async () => {
    await lab.script(`systemctl stop deckhand.service deckhand.socket
rm -rf /var/lib/deckhand/audit /var/lib/deckhand/audit.key
head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \\n' >/etc/deckhand/audit.key
echo hunter2 >/etc/deckhand/words
chmod 600 /etc/deckhand/audit.key /etc/deckhand/words
echo 'redact: {values_file: "credential:words"}' >>/etc/deckhand/config.yaml`);
    await dropIn(
      '50-credentials.conf',
      '[Service]\nLoadCredential=audit.key:/etc/deckhand/audit.key\nLoadCredential=words:/etc/deckhand/words',
    );
    await lab.script('systemctl daemon-reload\nsystemctl start deckhand.socket deckhand.service');
    const key = await lab.script('cat /var/lib/deckhand/audit.key; ls -l /run/credentials/deckhand.service/');
    expect(key.out, await journal()).toMatch(/^credential [0-9a-f]{64}\n/);
    await ask('system_overview');
    // The command line, as root, uses the service's while that runs.
    const verified = await lab.run(['/usr/local/bin/deckhand', 'audit', 'verify'], { mayFail: true });
    expect(verified.code, verified.out + verified.err).toBe(0);
    await without('50-credentials.conf');
    await lab.script('systemctl daemon-reload; systemctl restart deckhand', { mayFail: true });
    expect(await journal()).toMatch(/no credential words was passed to this service .*zzz-lxc-service.conf/);
    await lab.script(`systemctl stop deckhand.service deckhand.socket
sed -i '/^redact/d' /etc/deckhand/config.yaml
rm -rf /var/lib/deckhand/audit /var/lib/deckhand/audit.key
systemctl reset-failed; systemctl start deckhand.socket deckhand.service`);
  }, 60_000);

  test('the socket of `tailscale serve` is taken over, too, and outlives the service', async () => {
    const knock = `import {request} from 'node:http';
const ask = request({socketPath: '/run/deckhand/mcp.sock', path: '/healthz', headers: {host: 'localhost', 'x-forwarded-for': '100.64.0.9'}},
  (a) => { a.resume(); console.log('said', a.statusCode); });
ask.on('error', (e) => console.log(e.code));
ask.end();`;
    await lab.script(`cp /opt/deckhand/current/deploy/systemd/deckhand-tailnet.socket /etc/systemd/system/
echo 'tailnet: {socket: /run/deckhand/mcp.sock}' >>/etc/deckhand/config.yaml
systemctl daemon-reload
systemctl stop deckhand.service
systemctl start deckhand-tailnet.socket deckhand.service
cat >/root/knock.mjs <<'END'
${knock}
END`);
    const there = async () =>
      (await lab.script(`stat -c '%a %U %i' /run/deckhand/mcp.sock; ${NODE} /root/knock.mjs`)).out.trim().split('\n');
    const first = await there();
    expect(first, await journal()).toEqual([expect.stringMatching(/^660 deckhand \d+$/), 'said 200']);
    await restart();
    expect(await there()).toEqual(first);
    // The path that the settings name is another one: told, and not guessed.
    await lab.script(`sed -i 's,mcp.sock,other.sock,' /etc/deckhand/config.yaml; systemctl restart deckhand`, {
      mayFail: true,
    });
    expect(await journal()).toMatch(/was passed \(\/run\/deckhand\/mcp.sock\), and `tailnet.socket` says/);
    await lab.script(`systemctl stop deckhand.service deckhand-tailnet.socket deckhand.socket
sed -i '/^tailnet/d' /etc/deckhand/config.yaml
rm /etc/systemd/system/deckhand-tailnet.socket
systemctl daemon-reload; systemctl reset-failed
systemctl start deckhand.socket deckhand.service`);
  }, 60_000);

  test('a socket on every address is refused without TLS, as a setting would be', async () => {
    await lab.script(
      `systemctl stop deckhand.service deckhand.socket
install -d /etc/systemd/system/deckhand.socket.d
printf '[Socket]\\nListenStream=\\nListenStream=0.0.0.0:7070\\n' >/etc/systemd/system/deckhand.socket.d/50-address.conf
systemctl daemon-reload
systemctl start deckhand.socket
systemctl start deckhand.service`,
      { mayFail: true },
    );
    expect(await show('ActiveState')).not.toBe('active');
    expect(await journal()).toMatch(/deckhand.socket listens on 0.0.0.0:7070. Will not listen/);
    await lab.script(`systemctl stop deckhand.service deckhand.socket
rm -r /etc/systemd/system/deckhand.socket.d
systemctl daemon-reload; systemctl reset-failed
systemctl start deckhand.socket deckhand.service`);
    await active();
  }, 60_000);

  test('what a template of LXC takes back is named by the doctor, and its mend mends it', async () => {
    const doctor = async () =>
      JSON.parse((await lab.run(['/usr/local/bin/deckhand', 'doctor', '--json'], { mayFail: true })).out) as {
        code: string;
        text: string;
        fix: string;
      }[];
    await lab.script(`install -d /run/systemd/system/service.d
cat >/run/systemd/system/service.d/zzz-lxc-service.conf <<'END'
[Service]
ProcSubset=all
ProtectProc=default
ProtectControlGroups=no
ProtectKernelTunables=no
NoNewPrivileges=no
LoadCredential=
PrivateNetwork=no
END
systemctl daemon-reload`);
    const found = (await doctor()).find((c) => c.code === 'unit.reset');
    expect(found?.text).toMatch(/NoNewPrivileges=no.*zzz-lxc-service.conf/);
    // sudo is not here, and we are root.
    const fix = (found?.fix ?? '').replace(/^.*?then here: /, '').replaceAll('sudo ', '');
    await lab.script(fix, { ms: 60_000 });
    expect(await show('NoNewPrivileges')).toBe('yes');
    expect((await doctor()).filter((c) => c.code.startsWith('unit')).map((c) => c.code)).toEqual([
      'unit.given',
      'unit',
    ]);
    await lab.script('rm -r /run/systemd/system/service.d; systemctl daemon-reload');
    await without('zzzz-hardening.conf');
  }, 60_000);
});
