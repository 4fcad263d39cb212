/** The generated rule, run as polkit runs it: who may do what with which unit. That polkitd itself sees it so is polkit_real.test.ts. */
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { like } from '../../src/core/like.ts';
import type { UnitVerb } from '../../src/core/services.ts';
import { globPattern, polkitRule } from '../../src/insight/polkit_rule.ts';
import { guardOf } from '../../src/insight/unit_guard.ts';

type Ask = (action: { id: string; lookup(key: string): string | undefined }, subject: { user: string }) => unknown;
function ruleOf(allow: string[], protect: string[] = [], user = 'deckhand') {
  let asked: Ask = () => undefined;
  const addRule = (f: Ask) => {
    asked = f;
  };
  const polkit = { addRule, Result: { YES: 'yes' } };
  runInNewContext(polkitRule({ user, rules: { allow, protect } }), { polkit });
  return (unit: string | undefined, verb: string | undefined, o: { id?: string; user?: string } = {}) =>
    asked(
      { id: o.id ?? 'org.freedesktop.systemd1.manage-units', lookup: (key) => (key === 'unit' ? unit : verb) },
      { user: o.user ?? user },
    ) === 'yes';
}

describe('the rule', () => {
  const may = ruleOf(['nginx.service', 'app-*', 'a.b@*.service'], ['app-secret.service']);
  test('exactly the allow list, for this user, for these verbs', () => {
    for (const verb of ['start', 'stop', 'restart', 'reload', 'reset-failed'])
      expect(may('nginx.service', verb), verb).toBe(true);
    expect(may('app-1.timer', 'stop')).toBe(true);
    for (const [unit, verb] of [
      ['nginx.service', 'kill'],
      ['nginx.service', 'set-property'],
      ['nginx.service', undefined],
      [undefined, 'start'],
      ['xnginx.service', 'start'],
      ['nginx.service.service', 'start'],
      ['nginx_service', 'start'],
      ['nginxxservice', 'start'],
      ['aXb@1.service', 'start'],
      ['app-secret.service', 'start'],
      ['app-1.mount', 'start'],
      ['app-1.slice', 'stop'],
    ] as const)
      expect(may(unit, verb), `${verb} ${unit}`).toBe(false);
    expect(may('nginx.service', 'start', { user: 'other' })).toBe(false);
    expect(may('nginx.service', 'start', { id: 'org.freedesktop.systemd1.manage-unit-files' })).toBe(false);
    expect(may('nginx.service', 'start', { id: 'org.freedesktop.systemd1.reload-daemon' })).toBe(false);
  });

  test('what Deckhand refuses it refuses, too, whatever the allow list says', () => {
    const all = ruleOf(['*'], ['mine*']);
    const rules = { allow: ['*'], protect: ['mine*'] };
    const units = [
      'ssh.service',
      'tailscaled.service',
      'poweroff.target',
      'systemd-networkd.service',
      'dbus.service',
      'nginx.service',
      'mine.service',
      'user@0.service',
      'wg-quick@wg0.service',
      'debug-shell.service',
      'x.timer',
      '-.mount',
      'session-1.scope',
    ];
    for (const unit of units)
      for (const verb of ['start', 'stop', 'restart', 'reload', 'reset-failed'] as UnitVerb[])
        expect(all(unit, verb), `${verb} ${unit}`).toBe(
          guardOf({ name: unit, aliases: [] }, verb, rules, []).refused === undefined,
        );
  });

  test('a pattern means what a glob of the config means', () => {
    for (const glob of ['*', 'a*', '*.service', 'a.b*c', 'x\\x2dy.service', 'a@*.service', 'a[0]?+(b){c}^$|/.x'])
      for (const name of [
        '',
        'a',
        'a.service',
        'axb.service',
        'a.bXc',
        'x\\x2dy.service',
        'a@1.service',
        'a[0]?+(b){c}^$|/.x',
      ])
        expect(new RegExp(globPattern(glob)).test(name), `${glob} ${name}`).toBe(like(glob, name));
  });

  test('enable and disable are left out, loudly', () => {
    const text = polkitRule({ user: 'deckhand', rules: { allow: ['nginx.service'], protect: [] } });
    expect(text).toMatch(/all units or none/);
    expect(text.match(/manage-unit-files/g)).toHaveLength(1);
    expect(text).toMatch(/^\s*\/\/ if \(action\.id === "org\.freedesktop\.systemd1\.manage-unit-files"/m);
  });
});
