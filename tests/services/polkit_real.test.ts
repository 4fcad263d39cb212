/**
 * `deckhand doctor --polkit`'s rule before a real polkitd: an unprivileged user, in a booted systemd, may change exactly the units of the
 * allow list, through the product's own adapter. Loud when it is skipped.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UnitVerb } from '../../src/core/services.ts';
import { serviceHost } from '../../src/host/services/index.ts';
import { polkitRule } from '../../src/insight/polkit_rule.ts';
import { kept } from '../docker/engine.ts';
import { bootSystemd, lacking, type Systemd, withUnits } from './systemd.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write(
    'SKIPPED tests/services/polkit_real: needs DECKHAND_REAL=1, root, systemd-nspawn and debootstrap.\n',
  );
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

const RUNS = '[Service]\nExecStart=/bin/sleep 1000\nExecReload=/bin/true\n[Install]\nWantedBy=multi-user.target\n';
const RULES = { allow: ['p-mine.service', 'p-app@*.service', 'ssh*', '*.target'], protect: ['p-app@secret.service'] };

describe.skipIf(!real)('polkitd', () => {
  let lab: Systemd;
  let host: ReturnType<typeof serviceHost>;
  /** The code of what systemd said; 'done' where it did it. */
  const act = async (verb: UnitVerb, unit: string) => {
    try {
      return (await host.control(unit, verb, { timeoutMs: 20_000 })).end;
    } catch (thrown) {
      return (thrown as { code: string }).code;
    }
  };

  beforeAll(async () => {
    lab = await bootSystemd();
    if (!existsSync(join(kept(), 'usr/lib/polkit-1/polkitd')))
      throw new Error(`${kept()} has no polkitd (made before it was asked for): remove it, and it is made anew`);
    await withUnits(
      lab,
      {
        'p-mine.service': RUNS,
        'p-other.service': RUNS,
        'p-app@.service': RUNS,
        'ssh.service': RUNS,
        'p-notmine.service': RUNS,
      },
      'useradd --system --shell /usr/sbin/nologin deckhand',
    );
    const user = ['/usr/bin/setpriv', '--reuid=deckhand', '--regid=deckhand', '--clear-groups', '--no-new-privs'];
    host = serviceHost(lab.root, {
      has: () => true,
      exec: (o) => lab.exec({ ...o, binary: user[0] as never, args: [...user.slice(1), o.binary, ...o.args] }),
    });
  }, 400_000);
  afterAll(async () => {
    await lab?.close();
    expect(lab?.left() ?? []).toEqual([]);
  }, 30_000);

  test('without the rule nothing may be changed, and the hint has the command that makes it', async () => {
    await expect(host.control('p-mine.service', 'start', { timeoutMs: 20_000 })).rejects.toMatchObject({
      code: 'permission',
      details: { hint: expect.stringContaining('deckhand doctor --polkit') },
    });
    expect((await host.show(['p-mine.service']))[0]?.active).toBe('inactive');
  });

  test('with it exactly the allow list, and no more of it than Deckhand would do', async () => {
    const rule = polkitRule({ user: 'deckhand', rules: RULES });
    await lab.script(
      `mkdir -p /etc/polkit-1/rules.d\ncat >/etc/polkit-1/rules.d/50-deckhand.rules <<'END'\n${rule}END\nsystemctl restart polkit`,
    );
    for (const verb of ['start', 'reload', 'restart', 'stop'] as const)
      expect(await act(verb, 'p-mine.service'), verb).toBe('done');
    expect(await act('start', 'p-app@1.service')).toBe('done');
    expect((await host.show(['p-app@1.service']))[0]?.active).toBe('active');
    for (const [verb, unit] of [
      ['start', 'p-other.service'],
      ['start', 'p-notmine.service'],
      ['start', 'p-app@secret.service'],
      ['enable', 'p-mine.service'],
      ['disable', 'p-mine.service'],
      ['start', 'rescue.target'],
      ['start', 'poweroff.target'],
    ] as const)
      expect(await act(verb, unit), `${verb} ${unit}`).toBe('permission');
    // Brought back, and never taken away.
    expect(await act('start', 'ssh.service')).toBe('done');
    expect(await act('stop', 'ssh.service')).toBe('permission');
    expect(await act('restart', 'ssh.service')).toBe('permission');
  });

  test('another user has nothing of it', async () => {
    await lab.run(['useradd', '--system', 'somebody']);
    const ran = await lab.run(
      [
        'setpriv',
        '--reuid=somebody',
        '--regid=somebody',
        '--clear-groups',
        'systemctl',
        '--no-ask-password',
        'start',
        'p-mine.service',
      ],
      { mayFail: true },
    );
    expect(ran.code).not.toBe(0);
    expect(ran.err).toMatch(/authentication required|denied/i);
  });

  test('a broad rule by hand, as a control, lets all of it through: it is the generated one that refuses', async () => {
    await lab.script(
      `cat >/etc/polkit-1/rules.d/50-deckhand.rules <<'END'\npolkit.addRule(function (a, s) { if (s.user === "deckhand" && a.id.indexOf("org.freedesktop.systemd1.") === 0) return polkit.Result.YES; });\nEND\nsystemctl restart polkit`,
    );
    expect(await act('start', 'p-other.service')).toBe('done');
    expect(await act('stop', 'ssh.service')).toBe('done');
    expect(await act('enable', 'p-mine.service')).toBe('done');
  });
});
