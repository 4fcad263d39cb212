import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { Host } from '../../src/core/host.ts';
import { createHost, type HostOptions, type OpenHost } from '../../src/host/index.ts';
import { fakeHost } from '../fakes/host.ts';
import { hostContract, quietLog } from './contract.ts';

const open: OpenHost[] = [];
afterAll(() => {
  for (const host of open) host.close();
});

const real = (o: Partial<HostOptions>) => (): Host => {
  const host = createHost({ log: quietLog, ...o });
  open.push(host);
  return host;
};

hostContract('the fake', fakeHost);
for (const kind of ['vm', 'docker-v1', 'docker-v2', 'lxc-lxcfs', 'server-64', 'arm-board', 'proxmox-node', 'wsl2'])
  hostContract(kind, real({ procRoot: fileURLToPath(new URL(`../fixtures/${kind}`, import.meta.url)) }));
// Commands answer nothing: a package manager takes seconds, and its output is tested on its own.
hostContract('this machine', real({ exec: async () => ({ code: 1, stdout: '', stderr: 'not asked in tests' }) }));
