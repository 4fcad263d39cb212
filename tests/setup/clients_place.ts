/** A person's machine in a folder of its own, for tests of clients' settings. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Homes } from '../../src/config/env.ts';
import { clientNamed, type Machine, type Scope, type Target } from '../../src/setup/clients/index.ts';
import { placeOf } from '../../src/setup/clients/places.ts';

export const NO_HOMES: Homes = {
  home: null,
  configHome: null,
  stateHome: null,
  appData: null,
  localAppData: null,
  claudeConfigDir: null,
  codexHome: null,
};

export interface Place {
  dir: string;
  machine: Machine;
  target(client: string, over?: Partial<Target>): Target;
  file(client: string, scope?: Scope): string;
  put(client: string, text: string | Uint8Array): string;
  read(client: string): string;
  end(): void;
}

export function place(): Place {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-clients-'));
  const home = join(dir, 'home');
  const cwd = join(dir, 'project');
  mkdirSync(home);
  mkdirSync(cwd);
  const machine: Machine = { platform: 'linux', homes: { ...NO_HOMES, home }, cwd };
  const file = (client: string, scope: Scope = 'user') => placeOf(clientNamed(client), scope, machine);
  return {
    dir,
    machine,
    target: (client, over = {}) => ({
      spec: clientNamed(client),
      scope: 'user',
      config: null,
      machine,
      now: Date.parse('2026-11-21T12:00:00Z'),
      dryRun: false,
      ...over,
    }),
    file,
    put(client, text) {
      const at = file(client);
      mkdirSync(dirname(at), { recursive: true });
      writeFileSync(at, text);
      return at;
    },
    read: (client) => (existsSync(file(client)) ? readFileSync(file(client), 'utf8') : '(not there)'),
    end: () => rmSync(dir, { recursive: true, force: true }),
  };
}
